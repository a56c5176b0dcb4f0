// A number for each channel, added; see ops/add_bias.h.
// Must move: x and y once; that is what is moved, the bias comes from the cache.
#include "ops/add_bias.h"

#include "cuda/pixels.h"
#include "cuda/storage.h"

namespace striate::cuda {

namespace {

template <int Width, class S>
__global__ void __launch_bounds__(kThreads, kBlocks)
    addBiasKernel(PixelGrid grid, Volume<const S> x, const float* b, Volume<S> y, bool add) {
  const PixelThread t = grid.thread(Width);
  if (!t.exists) return;
  Packet<float, Width> sum = loadFloats<Width>(x.at(t.image, t.h, t.w, t.c));
#pragma unroll
  for (int e = 0; e < Width; ++e) sum.values[e] += load(b + t.c + e);
  S* const to = y.at(t.image, t.h, t.w, t.c);
  if (add) {
    const Packet<float, Width> old = loadFloats<Width>(static_cast<const S*>(to));
#pragma unroll
    for (int e = 0; e < Width; ++e) sum.values[e] += old.values[e];
  }
  storeFloats(to, sum);
}

}  // namespace

void add_bias(const Call& call) {
  const View &x = call.views[0], &b = call.views[1], &y = call.views[2];
  forStorage(x.dtype, [&](auto type) {
    using S = decltype(type);
    const int width = std::min(packetWidth(x, x.size[3]), packetWidth(y, x.size[3]));
    forWidth<kMostWidth<S>>(width, [&](auto w) {
      constexpr int kWidth = decltype(w)::value;
      forEachPixelGrid(y, kWidth, [&](const PixelGrid& grid, std::int64_t items) {
        launchItems("addBias", addBiasKernel<kWidth, S>, items, call.context.stream, grid,
                    volume<const S>(x), b.as<const float>(), volume<S>(y), y.accumulates());
      });
    });
  });
}

}  // namespace striate::cuda
