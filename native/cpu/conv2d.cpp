// conv2d and its gradients; see ops/conv2d.h. Everything but depthwise convolution is a matrix
// multiplication whose packing reads the volume itself (gemm/pack.h), or Winograd's (winograd/).
#include "ops/conv2d.h"

#include "cpu/depthwise.h"
#include "cpu/gemm/column_gradient.h"
#include "cpu/gemm/filter_gradient.h"
#include "cpu/gemm/loops.h"
#include "cpu/winograd/convolution.h"
#include "cpu/winograd/filter_gradient.h"

namespace striate::cpu::STRIATE_ISA {

using ops::Conv2d;

namespace {

// Channels [group * channels, ...) of a volume.
template <class T>
Source<T> sourceOf(const View& v, std::int64_t groups, std::int64_t group) {
  const std::int64_t channels = v.size[3] / groups;
  const T* data = v.as<T>();
  return {data + group * channels,
          v.size[1],
          v.size[2],
          channels,
          v.pitch,
          data + (v.pixels() - 1) * v.pitch + v.size[3]};
}

// Windows of 1x1 pixels with stride 1 and without padding are the volume's own rows: one line of pixels,
// a plain matrix.
template <class T>
bool isMatrix(const Windows<T>& w) {
  return w.h.count == 1 && w.w.count == 1 && w.h.step == 1 && w.w.step == 1 && w.h.first == 0 &&
         w.w.first == 0 && w.targetHeight == w.source.height && w.targetWidth == w.source.width;
}
template <class T>
Windows<T> flat(Windows<T> w, std::int64_t images) {
  w.source.width = w.targetWidth = images * w.source.height * w.source.width;
  w.source.height = w.targetHeight = 1;
  return w;
}

// Calls f with the tile of Winograd's algorithm as a constant.
template <class F>
void forTile(std::int32_t tile, const F& f) {
  if (tile == 2)
    f(std::integral_constant<int, 2>{});
  else
    f(std::integral_constant<int, 4>{});
}

void winogradForward(const Conv2d::Attributes& a, ThreadPool& threads, const View& x, const View& w,
                     const View& b, const View& y, float* workspace) {
  const float* const end = w.as<float>() + (w.pixels() - 1) * w.pitch + y.size[3];
  const ForwardFilters<float> filters{w.as<float>(), w.pitch, y.size[3], end};
  const Target<float> target{y.as<float>(), y.accumulates(), a.activation == Conv2d::Relu,
                             b ? b.as<float>() : nullptr};
  forTile(a.winograd, [&](auto tile) {
    constexpr int M = decltype(tile)::value;
    WinogradConvolution<float, M, ForwardFilters<float>>{sourceOf<float>(x, 1, 0),
                                                         a.padTop,
                                                         a.padLeft,
                                                         Tiling<M>{y.size[0], y.size[1], y.size[2]},
                                                         y.pitch,
                                                         filters,
                                                         target,
                                                         workspace}
        .run(threads);
  });
}

// The same over dy, with filters turned by half a turn and transposed.
void winogradBackwardData(const Conv2d::Attributes& a, ThreadPool& threads, const View& dy,
                          const View& w, const View& dx, float* workspace) {
  const GatherAxis h = Conv2d::phaseAxis(3, 1, a.padTop, 1, 0),
                   v = Conv2d::phaseAxis(3, 1, a.padLeft, 1, 0);
  const BackwardFilters<float> filters{w.as<float>(), w.pitch, dx.size[3], dy.size[3], 3, h, v};
  const Target<float> target{dx.as<float>(), dx.accumulates(), false, nullptr};
  forTile(a.winograd, [&](auto tile) {
    constexpr int M = decltype(tile)::value;
    WinogradConvolution<float, M, BackwardFilters<float>>{
        sourceOf<float>(dy, 1, 0),
        -h.first,
        -v.first,
        Tiling<M>{dx.size[0], dx.size[1], dx.size[2]},
        dx.pitch,
        filters,
        target,
        workspace}
        .run(threads);
  });
}

void winogradBackwardFilter(const Conv2d::Attributes& a, ThreadPool& threads, const View& x,
                            const View& dy, const View& dw, const View& db, float* workspace) {
  forTile(a.winograd, [&](auto tile) {
    constexpr int M = decltype(tile)::value;
    WinogradFilterGradient<float, M>{sourceOf<float>(x, 1, 0),
                                     a.padTop,
                                     a.padLeft,
                                     sourceOf<float>(dy, 1, 0),
                                     x.size[0],
                                     dw.as<float>(),
                                     dw.pitch,
                                     dw.accumulates(),
                                     db ? db.as<float>() : nullptr,
                                     db.accumulates(),
                                     workspace}
        .run(threads);
  });
}

template <class T>
void forward(const Conv2d::Attributes& a, ThreadPool& threads, const View& x, const View& w,
             const View& b, const View& y, T* workspace) {
  const std::int64_t N = x.size[0], C = x.size[3], K = y.size[3], groups = a.groups;
  const GatherAxis h = Conv2d::forwardAxis(w.size[0], a.strideH, a.padTop, a.dilationH);
  const GatherAxis v = Conv2d::forwardAxis(w.size[1], a.strideW, a.padLeft, a.dilationW);
  const Grid grid{y.size[1], y.size[2], y.size[1], y.size[2], 0, 0, 1, 1, y.pitch};
  const bool relu = a.activation == Conv2d::Relu;
  if (Conv2d::depthwise(groups, C, K)) {
    const Windows<T> windows{sourceOf<T>(x, 1, 0), h, v, y.size[1], y.size[2]};
    depthwise<T>(threads, windows, N, w.as<T>(), w.pitch, w.size[1], grid,
                 {y.as<T>(), y.accumulates(), relu, b ? b.as<T>() : nullptr});
    return;
  }
  const std::int64_t Kg = K / groups;
  const T* const filtersEnd = w.as<T>() + (w.pixels() - 1) * w.pitch + K;
  for (std::int64_t group = 0; group < groups; ++group) {
    Windows<T> windows{sourceOf<T>(x, groups, group), h, v, y.size[1], y.size[2]};
    if (isMatrix(windows)) windows = flat(windows, N);
    const T* filters = w.as<T>() + group * Kg;
    multiplyWindows(threads, windows, N * y.size[1] * y.size[2],
                    ForwardFilters<T>{filters, w.pitch, Kg, filtersEnd}, filters, w.pitch, grid,
                    Target<T>{y.as<T>() + group * Kg, y.accumulates(), relu,
                              b ? b.as<T>() + group * Kg : nullptr},
                    workspace);
  }
}

// Pixels of dx that no window touches.
template <class T>
void clear(ThreadPool& threads, std::int64_t images, const Grid& grid, T* to,
           std::int64_t channels) {
  threads.forEach(images * grid.height, [&](std::int64_t line, int) {
    const std::int64_t image = line / grid.height, i = line % grid.height;
    T* out = to + ((image * grid.outHeight + i * grid.stepH + grid.firstH) * grid.outWidth +
                   grid.firstW) *
                      grid.pitch;
    for (std::int64_t j = 0; j < grid.width; ++j, out += grid.stepW * grid.pitch)
      for (std::int64_t c = 0; c < channels; ++c) out[c] = T(0);
  });
}

// The taps of each phase of the stride.
struct Phases {
  const Conv2d::Attributes& a;
  std::int64_t R, S;
  GatherAxis vertical(std::int64_t phase) const {
    return Conv2d::phaseAxis(R, a.strideH, a.padTop, a.dilationH, phase);
  }
  GatherAxis horizontal(std::int64_t phase) const {
    return Conv2d::phaseAxis(S, a.strideW, a.padLeft, a.dilationW, phase);
  }
};

// One dense convolution for each phase of the stride: the pixels of dx whose coordinates have the same
// remainders gather from dy with the same taps.
template <class T>
void backwardData(const Conv2d::Attributes& a, ThreadPool& threads, const View& dy, const View& w,
                  const View& dx, T* workspace) {
  const std::int64_t N = dx.size[0], H = dx.size[1], W = dx.size[2], C = dx.size[3], K = dy.size[3];
  const std::int64_t Cg = C / a.groups, Kg = K / a.groups;
  const bool depthwiseFilters = Conv2d::depthwise(a.groups, C, K);
  const Phases phases{a, w.size[0], w.size[1]};
  const ColumnGradient<T> columns{
      N, sourceOf<T>(dy, a.groups, 0), w.as<T>(), w.pitch, w.size[0], w.size[1], Cg};
  if (!depthwiseFilters && columns.pays(H * W, std::int64_t(a.strideH) * a.strideW)) {
    const Grid whole{H, W, H, W, 0, 0, a.strideH, a.strideW, dx.pitch};
    for (std::int64_t group = 0; group < a.groups; ++group) {
      ColumnGradient<T> one = columns;
      one.dy = sourceOf<T>(dy, a.groups, group);
      one.w += group * Kg;
      one.run(threads, phases, whole, {dx.as<T>() + group * Cg, dx.accumulates(), false, nullptr},
              workspace);
    }
    return;
  }
  for (std::int64_t phaseH = 0; phaseH < smaller(a.strideH, H); ++phaseH)
    for (std::int64_t phaseW = 0; phaseW < smaller(a.strideW, W); ++phaseW) {
      const GatherAxis h = phases.vertical(phaseH), v = phases.horizontal(phaseW);
      const Grid grid{ceilDivide(H - phaseH, a.strideH),
                      ceilDivide(W - phaseW, a.strideW),
                      H,
                      W,
                      phaseH,
                      phaseW,
                      a.strideH,
                      a.strideW,
                      dx.pitch};
      if (h.count == 0 || v.count == 0) {
        if (!dx.accumulates()) clear(threads, N, grid, dx.as<T>(), C);
        continue;
      }
      if (depthwiseFilters) {
        const Windows<T> windows{sourceOf<T>(dy, 1, 0), h, v, grid.height, grid.width};
        depthwise<T>(threads, windows, N, w.as<T>(), w.pitch, w.size[1], grid,
                     {dx.as<T>(), dx.accumulates(), false, nullptr});
        continue;
      }
      for (std::int64_t group = 0; group < a.groups; ++group) {
        Windows<T> windows{sourceOf<T>(dy, a.groups, group), h, v, grid.height, grid.width};
        if (isMatrix(windows)) windows = flat(windows, N);
        multiplyWindows(
            threads, windows, N * grid.height * grid.width,
            BackwardFilters<T>{w.as<T>() + group * Kg, w.pitch, Cg, Kg, w.size[1], h, v},
            static_cast<const T*>(nullptr), 0, grid,
            Target<T>{dx.as<T>() + group * Cg, dx.accumulates(), false, nullptr}, workspace);
      }
    }
}

template <class T>
void backwardFilter(const Conv2d::Attributes& a, ThreadPool& threads, const View& x, const View& dy,
                    const View& dw, const View& db, T* workspace) {
  const std::int64_t N = x.size[0], C = x.size[3], K = dy.size[3], P = dy.size[1], Q = dy.size[2];
  const std::int64_t R = dw ? dw.size[0] : 1, S = dw ? dw.size[1] : 1;
  const GatherAxis h = Conv2d::forwardAxis(R, a.strideH, a.padTop, a.dilationH);
  const GatherAxis v = Conv2d::forwardAxis(S, a.strideW, a.padLeft, a.dilationW);
  T* const toDw = dw ? dw.as<T>() : nullptr;
  T* const toDb = db ? db.as<T>() : nullptr;
  if (dw && Conv2d::depthwise(a.groups, C, K)) {
    const Windows<T> windows{sourceOf<T>(x, 1, 0), h, v, P, Q};
    DepthwiseFilterGradient<T>{windows, dy.as<T>(), dy.pitch, N * P}.run(
        threads, toDw, dw.pitch, dw.accumulates(), toDb, db.accumulates(), workspace);
    return;
  }
  const std::int64_t groups = dw ? a.groups : 1;
  Windows<T> windows{sourceOf<T>(x, groups, 0), h, v, P, Q};
  if (dw && isMatrix(windows)) windows = flat(windows, N);
  FilterGradient<T>{
      {windows}, groups, dy.as<T>(), dy.pitch,         N * P * Q, dw ? R * S * (C / groups) : 0,
      K,         toDw,   dw.pitch,   dw.accumulates(), toDb,      db.accumulates(),
      workspace}
      .run(threads);
}

}  // namespace

void conv2d(const Call& call) {
  const Conv2d::Attributes& a = *static_cast<const Conv2d::Attributes*>(call.attributes);
  const View* v = call.views;
  ThreadPool& threads = call.context.threads;
  forFloatType(v[0].dtype, [&](auto type) {
    using T = decltype(type);
    if constexpr (std::is_same_v<T, float>) {
      if (a.winograd != 0 && call.op == Conv2d::Forward)
        return winogradForward(a, threads, v[0], v[1], v[2], v[3], v[4].as<T>());
      if (a.winograd != 0 && call.op == Conv2d::BackwardData)
        return winogradBackwardData(a, threads, v[0], v[1], v[2], v[3].as<T>());
      if (a.winograd != 0 && v[2])
        return winogradBackwardFilter(a, threads, v[0], v[1], v[2], v[3], v[4].as<T>());
    }
    if (call.op == Conv2d::Forward)
      forward<T>(a, threads, v[0], v[1], v[2], v[3], v[4].as<T>());
    else if (call.op == Conv2d::BackwardData)
      backwardData<T>(a, threads, v[0], v[1], v[2], v[3].as<T>());
    else
      backwardFilter<T>(a, threads, v[0], v[1], v[2], v[3], v[4].as<T>());
  });
}

}  // namespace striate::cpu::STRIATE_ISA
