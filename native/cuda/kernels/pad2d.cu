// Padding and cropping; see ops/pad2d.h.
// Must move: what is taken of x, and y, once; that is what is moved. Backward is a gather over at most nine
// ranges of outputs, of which all but one are empty away from the border; no atomics.
#include "ops/pad2d.h"

#include "cuda/pixels.h"
#include "cuda/storage.h"

namespace striate::cuda {

using ops::Pad2d;
using Axis32 = Pad2d::Axis<std::int32_t>;

namespace {

template <int Width, class S>
__device__ __forceinline__ void put(S* to, Packet<float, Width> value, bool add) {
  if (add) {
    const Packet<float, Width> old = loadFloats<Width>(static_cast<const S*>(to));
#pragma unroll
    for (int e = 0; e < Width; ++e) value.values[e] += old.values[e];
  }
  storeFloats(to, value);
}

template <int Width, class S>
__global__ void __launch_bounds__(kThreads, kBlocks)
    padKernel(PixelGrid grid, Axis32 rows, Axis32 columns, float value, Volume<const S> x,
              Volume<S> y, bool add) {
  const PixelThread t = grid.thread(Width);
  if (!t.exists) return;
  const std::int32_t h = rows.source(t.h), w = columns.source(t.w);
  Packet<float, Width> taken;
  if (h >= 0 && w >= 0) {
    taken = loadFloats<Width>(x.at(t.image, h, w, t.c));
  } else {
#pragma unroll
    for (int e = 0; e < Width; ++e) taken.values[e] = value;
  }
  put(y.at(t.image, t.h, t.w, t.c), taken, add);
}

template <int Width, class S>
__global__ void __launch_bounds__(kThreads, kBlocks)
    padBackwardKernel(PixelGrid grid, Axis32 rows, Axis32 columns, Volume<const S> dy, Volume<S> dx,
                      bool add) {
  const PixelThread t = grid.thread(Width);
  if (!t.exists) return;
  Packet<float, Width> sum = {};
#pragma unroll 1
  for (int part = 0; part < 3; ++part) {
    const auto down = rows.targets(t.h, part);
#pragma unroll 1
    for (std::int32_t p = down.first; p < down.last; ++p)
#pragma unroll 1
      for (int side = 0; side < 3; ++side) {
        const auto along = columns.targets(t.w, side);
#pragma unroll 1
        for (std::int32_t q = along.first; q < along.last; ++q) {
          const Packet<float, Width> gradient = loadFloats<Width>(dy.at(t.image, p, q, t.c));
#pragma unroll
          for (int e = 0; e < Width; ++e) sum.values[e] += gradient.values[e];
        }
      }
  }
  put(dx.at(t.image, t.h, t.w, t.c), sum, add);
}

}  // namespace

void pad2d(const Call& call) {
  const auto& a = *static_cast<const Pad2d::Attributes*>(call.attributes);
  const View &from = call.views[0], &to = call.views[1];
  const bool forwards = call.op == Pad2d::Forward;
  const View &x = forwards ? from : to, &y = forwards ? to : from;
  const auto rows = Pad2d::rows<std::int32_t>(a, x, y),
             columns = Pad2d::columns<std::int32_t>(a, x, y);
  forStorage(from.dtype, [&](auto type) {
    using S = decltype(type);
    const std::int64_t C = x.size[3];
    forWidth<kMostWidth<S>>(std::min(packetWidth(from, C), packetWidth(to, C)), [&](auto w) {
      constexpr int kWidth = decltype(w)::value;
      forEachPixelGrid(to, kWidth, [&](const PixelGrid& grid, std::int64_t items) {
        if (forwards)
          launchItems("pad2d", padKernel<kWidth, S>, items, call.context.stream, grid, rows,
                      columns, a.value, volume<const S>(x), volume<S>(y), to.accumulates());
        else
          launchItems("pad2dBackward", padBackwardKernel<kWidth, S>, items, call.context.stream,
                      grid, rows, columns, volume<const S>(y), volume<S>(x), to.accumulates());
      });
    });
  });
}

}  // namespace striate::cuda
