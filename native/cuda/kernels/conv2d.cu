// Convolution by matrix multiplication; see ops/conv2d.h and cuda/columns.h.
//
// gemm: a 1x1 filter of stride 1 without padding reads the volume itself, no column buffer.
// im2col: whole batches in chunks of as many images as the workspace holds, one multiplication a chunk.
// Gradient by the input: a convolution of dy with spatially flipped filters, one dense convolution for each
// phase where the stride is above 1; or col2im, a multiplication and a gather, where that moves fewer
// bytes. Gradient by the filters: a multiplication over the same columns, added up over the chunks in
// their order. Groups are one strided batch.
//
// Volumes and filters in 16 bits are multiplied as they are, with float32 sums; what is summed up after a
// multiplication (columns that dx gathers, phases, dw) leaves it as float32. cuBLASLt takes the bias as its
// output is stored, so it is rounded first.
#include "ops/conv2d.h"

#include "cuda/blas/blas.h"
#include "cuda/check.h"
#include "cuda/columns.h"
#include "cuda/conv_plan.h"

namespace striate::cuda {

using ops::Conv2d;
using ops::GatherAxis;

namespace {

std::int64_t rowsOf(const View& v, std::int64_t images) { return images * v.size[1] * v.size[2]; }

template <class S>
S* imageAt(const View& v, std::int64_t image) {
  return v.as<S>() + image * v.size[1] * v.size[2] * v.pitch;
}

std::int32_t narrow(std::int64_t v) { return static_cast<std::int32_t>(v); }

Epilogue epilogueOf(const Conv2d::Attributes& a, const View& b) {
  if (a.activation == Conv2d::Relu) return b ? Epilogue::BiasRelu : Epilogue::Relu;
  return b ? Epilogue::Bias : Epilogue::None;
}

template <class C>
Columns<C> columnsOf(const GatherAxis& rows, const GatherAxis& columns, const View& target,
                     std::int64_t channels, std::int64_t groups, void* data) {
  return {static_cast<C*>(data),
          columnPitch(rows.count * columns.count, channels, sizeof(C)),
          Axis(rows),
          Axis(columns),
          narrow(target.size[1]),
          narrow(target.size[2]),
          narrow(channels),
          narrow(groups)};
}

GatherAxis forwardRows(const Conv2d::Attributes& a, const View& w) {
  return Conv2d::forwardAxis(w.size[0], a.strideH, a.padTop, a.dilationH);
}
GatherAxis forwardColumns(const Conv2d::Attributes& a, const View& w) {
  return Conv2d::forwardAxis(w.size[1], a.strideW, a.padLeft, a.dilationW);
}

template <class S>
void forward(const Call& call, const Conv2d::Attributes& a) {
  const View &x = call.views[0], &w = call.views[1], &b = call.views[2], &y = call.views[3];
  Context& context = call.context;
  const ConvShape s(a, x, w.size[0], w.size[1], y);
  const WorkspaceParts parts(s, Conv2d::Forward, call.views[4], x.size[0]);
  const std::int64_t groups = a.groups, depth = s.taps * s.groupChannels;

  Multiplication g{};
  g.input = g.output = x.dtype;
  g.tf32 = a.tf32 != 0;
  g.n = s.groupFilters;
  g.k = depth;
  g.b = w.data;
  g.bPitch = w.size[3];
  g.cPitch = y.pitch;
  g.beta = y.accumulates() ? 1.0f : 0.0f;
  g.batches = groups;
  g.aStride = depth;
  g.bStride = g.cStride = g.biasStride = s.groupFilters;
  g.epilogue = epilogueOf(a, b);
  g.bias = b ? b.data : nullptr;
  if constexpr (kIsHalf<S>)
    if (b) {
      roundBias(b, static_cast<S*>(parts.bias), context.stream);
      g.bias = parts.bias;
    }
  const auto multiply = [&](const S* rows, std::int64_t pitch, std::int64_t first,
                            std::int64_t count) {
    g.m = rowsOf(y, count);
    g.a = rows;
    g.aPitch = pitch;
    g.c = imageAt<S>(y, first);
    context.blas->multiply(g, parts.blas, context.stream);
  };
  if (s.pointwise) return multiply(x.as<S>(), x.pitch, 0, x.size[0]);
  const Columns<S> columns =
      columnsOf<S>(forwardRows(a, w), forwardColumns(a, w), y, x.size[3], groups, parts.columns);
  for (std::int64_t first = 0; first < x.size[0]; first += parts.images) {
    const std::int64_t count = std::min(parts.images, x.size[0] - first);
    im2col(columns, x, first, count, context.stream);
    multiply(columns.data, columns.pitch, first, count);
  }
}

// dy [rows, K] times the transpose of w [taps * C, K] gives the columns, which dx gathers.
template <class S>
void backwardDataByCol2im(const Call& call, const Conv2d::Attributes& a, const ConvShape& s,
                          const WorkspaceParts& parts) {
  const View &dy = call.views[0], &w = call.views[1], &dx = call.views[2];
  Context& context = call.context;
  const Columns<float> columns = columnsOf<float>(forwardRows(a, w), forwardColumns(a, w), dy,
                                                  dx.size[3], a.groups, parts.columns);
  Multiplication g{};
  g.input = dy.dtype;
  g.tf32 = a.tf32 != 0;
  g.n = s.taps * s.groupChannels;
  g.k = s.groupFilters;
  g.aPitch = dy.pitch;
  g.b = w.data;
  g.bPitch = w.size[3];
  g.transposeB = true;
  g.c = columns.data;
  g.cPitch = columns.pitch;
  g.batches = a.groups;
  g.aStride = g.bStride = s.groupFilters;
  g.cStride = g.n;
  for (std::int64_t first = 0; first < dy.size[0]; first += parts.images) {
    const std::int64_t count = std::min(parts.images, dy.size[0] - first);
    g.m = rowsOf(dy, count);
    g.a = imageAt<S>(dy, first);
    context.blas->multiply(g, parts.blas, context.stream);
    col2im(columns, dx, first, count, a.strideH, a.strideW, context.stream);
  }
}

// The pixels of dx that lie phase + i * stride along one axis.
std::int64_t phaseExtent(std::int64_t extent, std::int64_t stride, std::int64_t phase) {
  return phase < extent ? (extent - phase - 1) / stride + 1 : 0;
}

template <class S>
void backwardDataByFlippedFilters(const Call& call, const Conv2d::Attributes& a, const ConvShape& s,
                                  const WorkspaceParts& parts) {
  const View &dy = call.views[0], &w = call.views[1], &dx = call.views[2];
  Context& context = call.context;
  const bool phases = a.strideH > 1 || a.strideW > 1;
  for (std::int32_t phaseH = 0; phaseH < a.strideH; ++phaseH)
    for (std::int32_t phaseW = 0; phaseW < a.strideW; ++phaseW) {
      View target = dx;
      target.size[1] = phaseExtent(dx.size[1], a.strideH, phaseH);
      target.size[2] = phaseExtent(dx.size[2], a.strideW, phaseW);
      if (target.size[1] == 0 || target.size[2] == 0) continue;
      const GatherAxis rows =
          Conv2d::phaseAxis(w.size[0], a.strideH, a.padTop, a.dilationH, phaseH);
      const GatherAxis axis =
          Conv2d::phaseAxis(w.size[1], a.strideW, a.padLeft, a.dilationW, phaseW);
      const std::int64_t taps = rows.count * axis.count;
      S* const filters = static_cast<S*>(parts.filters);
      if (taps > 0) flipFilters(rows, axis, w, a.groups, filters, context.stream);
      const Columns<S> columns =
          columnsOf<S>(rows, axis, target, dy.size[3], a.groups, parts.columns);
      Multiplication g{};
      g.input = dy.dtype;
      g.output = phases ? DType::Float32 : dx.dtype;
      g.tf32 = a.tf32 != 0;
      g.n = s.groupChannels;
      g.k = taps * s.groupFilters;
      g.a = columns.data;
      g.aPitch = columns.pitch;
      g.b = filters;
      g.bPitch = dx.size[3];
      g.cPitch = phases ? dx.size[3] : dx.pitch;
      g.beta = !phases && dx.accumulates() ? 1.0f : 0.0f;
      g.batches = a.groups;
      g.aStride = g.k;
      g.bStride = g.cStride = s.groupChannels;
      for (std::int64_t first = 0; first < dx.size[0]; first += parts.images) {
        const std::int64_t count = std::min(parts.images, dx.size[0] - first);
        g.m = rowsOf(target, count);
        g.c = phases ? static_cast<void*>(parts.phase) : imageAt<S>(dx, first);
        if (taps > 0) {
          im2col(columns, dy, first, count, context.stream);
          context.blas->multiply(g, parts.blas, context.stream);
        } else {
          // No window touches these pixels: their gradient is zero.
          if (dx.accumulates()) continue;
          check(cudaMemsetAsync(parts.phase, 0,
                                static_cast<std::size_t>(g.m * dx.size[3]) * sizeof(float),
                                context.stream),
                "cudaMemsetAsync of a phase");
        }
        if (phases)
          scatterPhase(parts.phase, target.size[1], target.size[2], dx, first, count, phaseH,
                       phaseW, a.strideH, a.strideW, context.stream);
      }
    }
}

template <class S>
void backwardData(const Call& call, const Conv2d::Attributes& a) {
  const View &dy = call.views[0], &w = call.views[1], &dx = call.views[2];
  const ConvShape s(a, dx, w.size[0], w.size[1], dy);
  const WorkspaceParts parts(s, Conv2d::BackwardData, call.views[3], dx.size[0]);
  if (!s.pointwise) {
    if (dataGradientByCol2im(s)) return backwardDataByCol2im<S>(call, a, s, parts);
    return backwardDataByFlippedFilters<S>(call, a, s, parts);
  }
  Multiplication g{};
  g.input = g.output = dy.dtype;
  g.tf32 = a.tf32 != 0;
  g.m = dx.pixels();
  g.n = s.groupChannels;
  g.k = s.groupFilters;
  g.a = dy.data;
  g.aPitch = dy.pitch;
  g.b = w.data;
  g.bPitch = w.size[3];
  g.transposeB = true;
  g.c = dx.data;
  g.cPitch = dx.pitch;
  g.beta = dx.accumulates() ? 1.0f : 0.0f;
  g.batches = a.groups;
  g.aStride = g.bStride = s.groupFilters;
  g.cStride = s.groupChannels;
  call.context.blas->multiply(g, parts.blas, call.context.stream);
}

template <class S>
void backwardFilter(const Call& call, const Conv2d::Attributes& a) {
  const View &x = call.views[0], &dy = call.views[1], &dw = call.views[2], &db = call.views[3];
  Context& context = call.context;
  const ConvShape s(a, x, dw ? dw.size[0] : 0, dw ? dw.size[1] : 0, dy);
  const WorkspaceParts parts(s, Conv2d::BackwardFilter, call.views[4], x.size[0]);
  const auto sumBias = [&] { biasGradient(dy, db, parts.biasSums, context.stream); };
  // Where one multiplication reads all of dy, its column sums come with it.
  const bool together =
      db && dw && !db.accumulates() && a.groups == 1 && (s.pointwise || parts.images >= x.size[0]);
  if (db && !together) sumBias();
  if (!dw) return;
  Multiplication g{};
  g.input = dy.dtype;
  g.tf32 = a.tf32 != 0;
  g.m = s.taps * s.groupChannels;
  g.n = s.groupFilters;
  g.transposeA = true;
  g.bPitch = dy.pitch;
  g.c = dw.data;
  g.cPitch = dw.size[3];
  g.beta = dw.accumulates() ? 1.0f : 0.0f;
  g.batches = a.groups;
  g.aStride = g.m;
  g.bStride = g.cStride = s.groupFilters;
  const auto multiply = [&](const S* rows, std::int64_t pitch, std::int64_t first,
                            std::int64_t count) {
    g.k = rowsOf(dy, count);
    g.a = rows;
    g.aPitch = pitch;
    g.b = imageAt<S>(dy, first);
    g.columnSums = together ? db.data : nullptr;
    if (together && context.blas->tryMultiply(g, parts.blas, context.stream)) return;
    if (together) sumBias();
    g.columnSums = nullptr;
    context.blas->multiply(g, parts.blas, context.stream);
    g.beta = 1;
  };
  if (s.pointwise) return multiply(x.as<S>(), x.pitch, 0, x.size[0]);
  const Columns<S> columns = columnsOf<S>(forwardRows(a, dw), forwardColumns(a, dw), dy, x.size[3],
                                          a.groups, parts.columns);
  for (std::int64_t first = 0; first < x.size[0]; first += parts.images) {
    const std::int64_t count = std::min(parts.images, x.size[0] - first);
    im2col(columns, x, first, count, context.stream);
    multiply(columns.data, columns.pitch, first, count);
  }
}

}  // namespace

void checkConvolution(int op, const void* attributes, const View* views) {
  const auto& a = *static_cast<const Conv2d::Attributes*>(attributes);
  const auto [x, w, y, b, workspace] = Conv2d::roles(op, views);
  requireArgument(a.winograd == 0, "Winograd's algorithm is the CPU device's");
  const ConvShape s(a, x, w ? w.size[0] : 0, w ? w.size[1] : 0, y);
  requireArgument(a.algorithm != Conv2d::Gemm || s.pointwise || s.taps == 0,
                  "algorithm 1 (gemm) takes 1x1 filters of stride 1 without padding");
  const WorkspaceNeed need = workspaceNeed(s, op);
  Conv2d::requireBytes(workspace, need.fixed + need.perImage);
}

void conv2d(const Call& call) {
  const auto& a = *static_cast<const Conv2d::Attributes*>(call.attributes);
  forStorage(call.views[0].dtype, [&](auto type) {
    using S = decltype(type);
    if (call.op == Conv2d::Forward) return forward<S>(call, a);
    if (call.op == Conv2d::BackwardData) return backwardData<S>(call, a);
    backwardFilter<S>(call, a);
  });
}

}  // namespace striate::cuda
