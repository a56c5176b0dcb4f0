// Average pooling and its gradient; see ops/avg_pool2d.h.
// Forward must move: x and y once; where windows overlap, neighbouring threads read the shared pixels
// again (from the cache). Backward is a gather over dy, dx once; no atomics.
#include "ops/avg_pool2d.h"

#include "cuda/storage.h"
#include "cuda/windows.h"

namespace striate::cuda {

using ops::AvgPool2d;

namespace {

template <int Width, bool Add, class S>
__global__ void __launch_bounds__(kThreads, kBlocks)
    avgPoolKernel(AvgPool2d::Attributes a, TileGrid grid, Windows rows, Windows columns,
                  Volume<const S> x, Volume<S> y) {
  const PixelThread t = grid.thread(Width);
  if (!t.exists) return;
  float sum[Width] = {};
  const int lastRow = rows.last(t.h), lastColumn = columns.last(t.w);
  for (int h = rows.first(t.h); h < lastRow; ++h) {
    const S* const line = x.at(t.image, h, 0, t.c);
#pragma unroll 2
    for (int w = columns.first(t.w); w < lastColumn; ++w) {
      const Packet<float, Width> value = loadFloats<Width>(line + w * x.pitch);
#pragma unroll
      for (int e = 0; e < Width; ++e) sum[e] += value.values[e];
    }
  }
  const float weight = 1.0f / static_cast<float>(AvgPool2d::divisor(a, rows, columns, t.h, t.w));
  S* const to = y.at(t.image, t.h, t.w, t.c);
  Packet<float, Width> out;
  if constexpr (Add) out = loadFloats<Width>(static_cast<const S*>(to));
#pragma unroll
  for (int e = 0; e < Width; ++e) out.values[e] = (Add ? out.values[e] : 0.0f) + sum[e] * weight;
  storeFloats(to, out);
}

template <int Width, bool Add, class S>
__global__ void __launch_bounds__(kThreads, kBlocks)
    avgPoolBackwardKernel(AvgPool2d::Attributes a, TileGrid grid, Windows rows, Windows columns,
                          Volume<const S> dy, Volume<S> dx) {
  const PixelThread t = grid.thread(Width);
  if (!t.exists) return;
  S* const to = dx.at(t.image, t.h, t.w, t.c);
  Packet<float, Width> sum = {};
  if constexpr (Add) sum = loadFloats<Width>(static_cast<const S*>(to));
  const int lastP = rows.lastOutput(t.h), lastQ = columns.lastOutput(t.w);
  for (int p = rows.firstOutput(t.h); p < lastP; ++p) {
    const S* const line = dy.at(t.image, p, 0, t.c);
    const float height = static_cast<float>(AvgPool2d::counted(a, rows, p));
    // Few windows cover a pixel: unrolling would only cost registers.
#pragma unroll 1
    for (int q = columns.firstOutput(t.w); q < lastQ; ++q) {
      const float weight = 1.0f / (height * static_cast<float>(AvgPool2d::counted(a, columns, q)));
      const Packet<float, Width> gradient = loadFloats<Width>(line + q * dy.pitch);
#pragma unroll
      for (int e = 0; e < Width; ++e) sum.values[e] += gradient.values[e] * weight;
    }
  }
  storeFloats(to, sum);
}

template <class S>
void run(const Call& call) {
  const auto& a = *static_cast<const AvgPool2d::Attributes*>(call.attributes);
  const bool forward = call.op == AvgPool2d::Forward;
  const View &from = call.views[0], &to = call.views[1];
  const View &x = forward ? from : to, &y = forward ? to : from;
  const Windows rows = windows(ops::windowRows(a, x, y)),
                columns = windows(ops::windowColumns(a, x, y));
  const int width = std::min(packetWidth(from, to.size[3]), packetWidth(to, to.size[3]));
  forWidth<kMostWidth<S>>(width, [&](auto w) {
    constexpr int kWidth = decltype(w)::value;
    forEachTileGrid(to, kWidth, [&](const TileGrid& grid, std::int64_t blocks) {
      const auto launch = [&](const char* name, auto kernel) {
        launchItems(name, kernel, blocks * kThreads, call.context.stream, a, grid, rows, columns,
                    volume<const S>(from), volume<S>(to));
      };
      if (forward)
        launch("avgPool2d",
               to.accumulates() ? avgPoolKernel<kWidth, true, S> : avgPoolKernel<kWidth, false, S>);
      else
        launch("avgPool2dBackward", to.accumulates() ? avgPoolBackwardKernel<kWidth, true, S>
                                                     : avgPoolBackwardKernel<kWidth, false, S>);
    });
  });
}

}  // namespace

void avg_pool2d(const Call& call) {
  forStorage(call.views[0].dtype, [&](auto type) { run<decltype(type)>(call); });
}

}  // namespace striate::cuda
