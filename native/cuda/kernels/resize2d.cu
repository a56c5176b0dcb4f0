// Nearest and bilinear interpolation and their gradients; see ops/resize2d.h.
// Must move: x and y once. A block takes a tile of what it writes, whose pixels share what they read; what
// lies around a tile is read again. Backward is a gather over the outputs that took a pixel; no atomics.
#include "ops/resize2d.h"

#include "cuda/storage.h"
#include "cuda/windows.h"

namespace striate::cuda {

using ops::Resize2d;
using Axis32 = Resize2d::Axis<std::int32_t>;

namespace {

template <int Width>
__device__ __forceinline__ void addProducts(Packet<float, Width>& sum, float weight,
                                            const Packet<float, Width>& values) {
#pragma unroll
  for (int e = 0; e < Width; ++e) sum.values[e] += weight * values.values[e];
}

template <int Width, class S>
__device__ __forceinline__ void put(S* to, Packet<float, Width> value, bool add) {
  if (add) addProducts(value, 1.0f, loadFloats<Width>(static_cast<const S*>(to)));
  storeFloats(to, value);
}

template <int Width, bool Nearest, class S>
__global__ void __launch_bounds__(kThreads, kBlocks)
    resizeKernel(TileGrid grid, Axis32 rows, Axis32 columns, Volume<const S> x, Volume<S> y,
                 bool add) {
  const PixelThread t = grid.thread(Width);
  if (!t.exists) return;
  Packet<float, Width> sum = {};
  if constexpr (Nearest) {
    sum = loadFloats<Width>(x.at(t.image, rows.nearest(t.h), columns.nearest(t.w), t.c));
  } else {
    const auto row = rows.tap<float>(t.h), column = columns.tap<float>(t.w);
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      const std::int32_t h = i == 0 ? row.lower : row.upper;
      Packet<float, Width> along = {};
      addProducts(along, 1.0f - column.fraction,
                  loadFloats<Width>(x.at(t.image, h, column.lower, t.c)));
      addProducts(along, column.fraction, loadFloats<Width>(x.at(t.image, h, column.upper, t.c)));
      addProducts(sum, i == 0 ? 1.0f - row.fraction : row.fraction, along);
    }
  }
  put(y.at(t.image, t.h, t.w, t.c), sum, add);
}

template <int Width, bool Nearest, class S>
__global__ void __launch_bounds__(kThreads, kBlocks)
    resizeBackwardKernel(TileGrid grid, Axis32 rows, Axis32 columns, Volume<const S> dy,
                         Volume<S> dx, bool add) {
  const PixelThread t = grid.thread(Width);
  if (!t.exists) return;
  Packet<float, Width> sum = {};
  const std::int32_t lastP = rows.lastOutput(t.h), lastQ = columns.lastOutput(t.w);
#pragma unroll 1
  for (std::int32_t p = rows.firstOutput(t.h); p < lastP; ++p) {
    Packet<float, Width> along = {};
#pragma unroll 1
    for (std::int32_t q = columns.firstOutput(t.w); q < lastQ; ++q)
      addProducts(along, Nearest ? 1.0f : columns.tap<float>(q).weight(t.w),
                  loadFloats<Width>(dy.at(t.image, p, q, t.c)));
    addProducts(sum, Nearest ? 1.0f : rows.tap<float>(p).weight(t.h), along);
  }
  put(dx.at(t.image, t.h, t.w, t.c), sum, add);
}

}  // namespace

void resize2d(const Call& call) {
  const auto& a = *static_cast<const Resize2d::Attributes*>(call.attributes);
  const View &from = call.views[0], &to = call.views[1];
  const bool forwards = call.op == Resize2d::Forward, nearest = a.mode == Resize2d::Nearest;
  const View &x = forwards ? from : to, &y = forwards ? to : from;
  const auto rows = Resize2d::rows<std::int32_t>(a, x, y),
             columns = Resize2d::columns<std::int32_t>(a, x, y);
  forStorage(from.dtype, [&](auto type) {
    using S = decltype(type);
    const std::int64_t C = x.size[3];
    forWidth<kMostWidth<S>>(std::min(packetWidth(from, C), packetWidth(to, C)), [&](auto w) {
      constexpr int kWidth = decltype(w)::value;
      forEachTileGrid(to, kWidth, [&](const TileGrid& grid, std::int64_t blocks) {
        const std::int64_t items = blocks * kThreads;
        if (forwards)
          launchItems("resize2d",
                      nearest ? resizeKernel<kWidth, true, S> : resizeKernel<kWidth, false, S>,
                      items, call.context.stream, grid, rows, columns, volume<const S>(x),
                      volume<S>(y), to.accumulates());
        else
          launchItems("resize2dBackward",
                      nearest ? resizeBackwardKernel<kWidth, true, S>
                              : resizeBackwardKernel<kWidth, false, S>,
                      items, call.context.stream, grid, rows, columns, volume<const S>(y),
                      volume<S>(x), to.accumulates());
      });
    });
  });
}

}  // namespace striate::cuda
