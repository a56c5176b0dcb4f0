// Average pooling and its gradient; see ops/avg_pool2d.h.
// Forward must move: x and y once; where windows overlap, neighbouring threads read the shared pixels
// again (from the cache). Backward is a gather over dy, dx once; no atomics.
#include "ops/avg_pool2d.h"

#include "cuda/windows.h"

namespace striate::cuda {

using ops::AvgPool2d;

namespace {

template <int Width, bool Add, class T>
__global__ void __launch_bounds__(kThreads, kBlocks)
    avgPoolKernel(AvgPool2d::Attributes a, TileGrid grid, Windows rows, Windows columns,
                  Volume<const T> x, Volume<T> y) {
  const PixelThread t = grid.thread(Width);
  if (!t.exists) return;
  T sum[Width] = {};
  const int lastRow = rows.last(t.h), lastColumn = columns.last(t.w);
  for (int h = rows.first(t.h); h < lastRow; ++h) {
    const T* const line = x.at(t.image, h, 0, t.c);
#pragma unroll 2
    for (int w = columns.first(t.w); w < lastColumn; ++w) {
      const Packet<T, Width> value = loadPacket<Width>(line + w * x.pitch);
#pragma unroll
      for (int e = 0; e < Width; ++e) sum[e] += value.values[e];
    }
  }
  const T weight = T(1) / static_cast<T>(AvgPool2d::divisor(a, rows, columns, t.h, t.w));
  T* const to = y.at(t.image, t.h, t.w, t.c);
  Packet<T, Width> out;
  if constexpr (Add) out = loadPacket<Width>(static_cast<const T*>(to));
#pragma unroll
  for (int e = 0; e < Width; ++e) out.values[e] = (Add ? out.values[e] : T(0)) + sum[e] * weight;
  storePacket(to, out);
}

template <int Width, bool Add, class T>
__global__ void __launch_bounds__(kThreads, kBlocks)
    avgPoolBackwardKernel(AvgPool2d::Attributes a, TileGrid grid, Windows rows, Windows columns,
                          Volume<const T> dy, Volume<T> dx) {
  const PixelThread t = grid.thread(Width);
  if (!t.exists) return;
  T* const to = dx.at(t.image, t.h, t.w, t.c);
  Packet<T, Width> sum;
  if constexpr (Add)
    sum = loadPacket<Width>(static_cast<const T*>(to));
  else
#pragma unroll
    for (int e = 0; e < Width; ++e) sum.values[e] = T(0);
  const int lastP = rows.lastOutput(t.h), lastQ = columns.lastOutput(t.w);
  for (int p = rows.firstOutput(t.h); p < lastP; ++p) {
    const T* const line = dy.at(t.image, p, 0, t.c);
    const T height = static_cast<T>(AvgPool2d::counted(a, rows, p));
    // Few windows cover a pixel: unrolling would only cost registers.
#pragma unroll 1
    for (int q = columns.firstOutput(t.w); q < lastQ; ++q) {
      const T weight = T(1) / (height * static_cast<T>(AvgPool2d::counted(a, columns, q)));
      const Packet<T, Width> gradient = loadPacket<Width>(line + q * dy.pitch);
#pragma unroll
      for (int e = 0; e < Width; ++e) sum.values[e] += gradient.values[e] * weight;
    }
  }
  storePacket(to, sum);
}

}  // namespace

void avg_pool2d(const Call& call) {
  using T = float;
  const auto& a = *static_cast<const AvgPool2d::Attributes*>(call.attributes);
  const bool forward = call.op == AvgPool2d::Forward;
  const View &from = call.views[0], &to = call.views[1];
  const View &x = forward ? from : to, &y = forward ? to : from;
  const Windows rows = windows(ops::windowRows(a, x, y)),
                columns = windows(ops::windowColumns(a, x, y));
  const int width = std::min(packetWidth(from, to.size[3]), packetWidth(to, to.size[3]));
  forWidth<4>(width, [&](auto w) {
    constexpr int kWidth = decltype(w)::value;
    forEachTileGrid(to, kWidth, [&](const TileGrid& grid, std::int64_t blocks) {
      const auto run = [&](const char* name, auto kernel) {
        launchItems(name, kernel, blocks * kThreads, call.context.stream, a, grid, rows, columns,
                    volume<const T>(from), volume<T>(to));
      };
      if (forward)
        run("avgPool2d",
            to.accumulates() ? avgPoolKernel<kWidth, true, T> : avgPoolKernel<kWidth, false, T>);
      else
        run("avgPool2dBackward", to.accumulates() ? avgPoolBackwardKernel<kWidth, true, T>
                                                  : avgPoolBackwardKernel<kWidth, false, T>);
    });
  });
}

}  // namespace striate::cuda
