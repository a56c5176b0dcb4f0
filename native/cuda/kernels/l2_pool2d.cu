// L2-norm pooling and its gradient; see ops/l2_pool2d.h.
// Forward must move: x and y once; where windows overlap, neighbouring threads read the shared pixels
// again (from the cache). Backward is a gather: y and dy of the windows that cover a pixel, x and dx once;
// no atomics.
#include "ops/l2_pool2d.h"

#include "cuda/storage.h"
#include "cuda/windows.h"

namespace striate::cuda {

using ops::L2Pool2d;

namespace {

template <int Width, bool Add, class S>
__global__ void __launch_bounds__(kThreads, kBlocks)
    l2PoolKernel(TileGrid grid, Windows rows, Windows columns, Volume<const S> x, Volume<S> y) {
  const PixelThread t = grid.thread(Width);
  if (!t.exists) return;
  Packet<float, Width> sum = {};
  const int lastRow = rows.last(t.h), lastColumn = columns.last(t.w);
  for (int h = rows.first(t.h); h < lastRow; ++h) {
    const S* const line = x.at(t.image, h, 0, t.c);
#pragma unroll 2
    for (int w = columns.first(t.w); w < lastColumn; ++w) {
      const Packet<float, Width> value = loadFloats<Width>(line + w * x.pitch);
#pragma unroll
      for (int e = 0; e < Width; ++e) sum.values[e] += value.values[e] * value.values[e];
    }
  }
#pragma unroll
  for (int e = 0; e < Width; ++e) sum.values[e] = sqrtf(sum.values[e]);
  S* const to = y.at(t.image, t.h, t.w, t.c);
  if constexpr (Add) {
    const Packet<float, Width> old = loadFloats<Width>(static_cast<const S*>(to));
#pragma unroll
    for (int e = 0; e < Width; ++e) sum.values[e] += old.values[e];
  }
  storeFloats(to, sum);
}

template <int Width, bool Add, class S>
__global__ void __launch_bounds__(kThreads, kBlocks)
    l2PoolBackwardKernel(TileGrid grid, Windows rows, Windows columns, Volume<const S> x,
                         Volume<const S> y, Volume<const S> dy, Volume<S> dx) {
  const PixelThread t = grid.thread(Width);
  if (!t.exists) return;
  Packet<float, Width> sum = {};
  const int lastP = rows.lastOutput(t.h), lastQ = columns.lastOutput(t.w);
  for (int p = rows.firstOutput(t.h); p < lastP; ++p)
  // Few windows cover a pixel: unrolling would only cost registers.
#pragma unroll 1
    for (int q = columns.firstOutput(t.w); q < lastQ; ++q) {
      const Packet<float, Width> length = loadFloats<Width>(y.at(t.image, p, q, t.c));
      const Packet<float, Width> gradient = loadFloats<Width>(dy.at(t.image, p, q, t.c));
#pragma unroll
      for (int e = 0; e < Width; ++e)
        sum.values[e] += L2Pool2d::share(gradient.values[e], length.values[e]);
    }
  const Packet<float, Width> value = loadFloats<Width>(x.at(t.image, t.h, t.w, t.c));
  S* const to = dx.at(t.image, t.h, t.w, t.c);
#pragma unroll
  for (int e = 0; e < Width; ++e) sum.values[e] *= value.values[e];
  if constexpr (Add) {
    const Packet<float, Width> old = loadFloats<Width>(static_cast<const S*>(to));
#pragma unroll
    for (int e = 0; e < Width; ++e) sum.values[e] += old.values[e];
  }
  storeFloats(to, sum);
}

// Calls body(grid, blocks, Int<Width>()) for the packets that all of these views allow.
template <class S, class... Views, class Body>
void forTiles(const View& target, const Body& body, const Views&... views) {
  const std::int64_t channels = target.size[3];
  const int width = std::min({packetWidth(target, channels), packetWidth(views, channels)...});
  forWidth<kMostWidth<S>>(width, [&](auto w) {
    forEachTileGrid(target, decltype(w)::value,
                    [&](const TileGrid& grid, std::int64_t blocks) { body(grid, blocks, w); });
  });
}

template <class S>
void forward(const L2Pool2d::Attributes& a, const Call& call) {
  const View &x = call.views[0], &y = call.views[1];
  const auto body = [&](const TileGrid& grid, std::int64_t blocks, auto w) {
    constexpr int kWidth = decltype(w)::value;
    launchItems("l2Pool2d",
                y.accumulates() ? l2PoolKernel<kWidth, true, S> : l2PoolKernel<kWidth, false, S>,
                blocks * kThreads, call.context.stream, grid, windows(ops::windowRows(a, x, y)),
                windows(ops::windowColumns(a, x, y)), volume<const S>(x), volume<S>(y));
  };
  forTiles<S>(y, body, x);
}

template <class S>
void backward(const L2Pool2d::Attributes& a, const Call& call) {
  const View &x = call.views[0], &y = call.views[1], &dy = call.views[2], &dx = call.views[3];
  const auto body = [&](const TileGrid& grid, std::int64_t blocks, auto w) {
    constexpr int kWidth = decltype(w)::value;
    launchItems("l2Pool2dBackward",
                dx.accumulates() ? l2PoolBackwardKernel<kWidth, true, S>
                                 : l2PoolBackwardKernel<kWidth, false, S>,
                blocks * kThreads, call.context.stream, grid, windows(ops::windowRows(a, x, y)),
                windows(ops::windowColumns(a, x, y)), volume<const S>(x), volume<const S>(y),
                volume<const S>(dy), volume<S>(dx));
  };
  forTiles<S>(dx, body, x, y, dy);
}

}  // namespace

void l2_pool2d(const Call& call) {
  const auto& a = *static_cast<const L2Pool2d::Attributes*>(call.attributes);
  forStorage(call.views[0].dtype, [&](auto type) {
    using S = decltype(type);
    if (call.op == L2Pool2d::Forward)
      forward<S>(a, call);
    else
      backward<S>(a, call);
  });
}

}  // namespace striate::cuda
