// Local contrast normalisation and its gradient; see ops/local_contrast_norm.h.
// A thread takes one packet of channels of a pixel, a block a tile of pixels, whose windows share what they
// read. Must move forward: x and y once; moves x twice and d, in float32, twice beside that. Backward is
// three gathers without atomics: must move x, dy and dx once; moves x and dy twice, and d, t and e, in
// float32, four, two and two times.
#include "ops/local_contrast_norm.h"

#include "cuda/neighbours.h"

namespace striate::cuda {

using ops::LocalContrastNorm;

namespace {

// Pixels of the window of t.
__device__ __forceinline__ float windowPixels(const Axes& axes, const PixelThread& t) {
  return static_cast<float>((axes.rows.last(t.h) - axes.rows.first(t.h)) *
                            (axes.columns.last(t.w) - axes.columns.first(t.w)));
}

template <int Width>
__device__ __forceinline__ Packet<float, Width> bases(const Axes& axes, const Formula& f,
                                                      const Volume<const float>& distances,
                                                      const PixelThread& t) {
  Packet<float, Width> s = windowSum<true, false, Width>(axes, distances, t, Square());
#pragma unroll
  for (int e = 0; e < Width; ++e) s.values[e] = f.base(s.values[e]);
  return s;
}

// d = x - mean over the window.
template <int Width, class S>
__global__ void __launch_bounds__(kThreads, kBlocks)
    distancesKernel(TileGrid grid, Axes axes, Volume<const S> x, Volume<float> distances) {
  const PixelThread t = grid.thread(Width);
  if (!t.exists) return;
  const Packet<float, Width> sum = windowSum<true, false, Width>(axes, x, t, Same());
  Packet<float, Width> value = loadFloats<Width>(x.at(t.image, t.h, t.w, t.c));
  const float count = windowPixels(axes, t);
#pragma unroll
  for (int e = 0; e < Width; ++e) value.values[e] -= sum.values[e] / count;
  storeWide(distances.at(t.image, t.h, t.w, t.c), value);
}

template <int Width, bool Add, class S>
__global__ void __launch_bounds__(kThreads, kBlocks)
    contrastNormKernel(TileGrid grid, Axes axes, Formula f, Volume<const S> x,
                       Volume<const float> distances, Volume<S> y) {
  const PixelThread t = grid.thread(Width);
  if (!t.exists) return;
  const Packet<float, Width> s = bases<Width>(axes, f, distances, t);
  Packet<float, Width> value = loadFloats<Width>(x.at(t.image, t.h, t.w, t.c));
#pragma unroll
  for (int e = 0; e < Width; ++e) value.values[e] *= f.power(s.values[e]);
  put<Add>(y.at(t.image, t.h, t.w, t.c), value);
}

// t = dy x s^(-beta - 1).
template <int Width, class S>
__global__ void __launch_bounds__(kThreads, kBlocks)
    contrastNormSharesKernel(TileGrid grid, Axes axes, Formula f, Volume<const S> x,
                             Volume<const S> dy, Volume<const float> distances,
                             Volume<float> shares) {
  const PixelThread t = grid.thread(Width);
  if (!t.exists) return;
  const Packet<float, Width> s = bases<Width>(axes, f, distances, t);
  const Packet<float, Width> value = loadFloats<Width>(x.at(t.image, t.h, t.w, t.c));
  const Packet<float, Width> gradient = loadFloats<Width>(dy.at(t.image, t.h, t.w, t.c));
  Packet<float, Width> share;
#pragma unroll
  for (int e = 0; e < Width; ++e)
    share.values[e] = gradient.values[e] * value.values[e] * f.power(s.values[e]) / s.values[e];
  storeWide(shares.at(t.image, t.h, t.w, t.c), share);
}

// e over the pixels of the window.
template <int Width>
__global__ void __launch_bounds__(kThreads, kBlocks)
    slopesKernel(TileGrid grid, Axes axes, Formula f, Volume<const float> distances,
                 Volume<const float> shares, Volume<float> slopes) {
  const PixelThread t = grid.thread(Width);
  if (!t.exists) return;
  const Packet<float, Width> sum = windowSum<true, true, Width>(axes, shares, t, Same());
  Packet<float, Width> slope = loadWide<Width>(distances.at(t.image, t.h, t.w, t.c));
  const float factor = -2 * f.scale * f.beta / windowPixels(axes, t);
#pragma unroll
  for (int e = 0; e < Width; ++e) slope.values[e] *= sum.values[e] * factor;
  storeWide(slopes.at(t.image, t.h, t.w, t.c), slope);
}

template <int Width, bool Add, class S>
__global__ void __launch_bounds__(kThreads, kBlocks)
    contrastNormBackwardKernel(TileGrid grid, Axes axes, Formula f, Volume<const S> dy,
                               Volume<const float> distances, Volume<const float> slopes,
                               Volume<S> dx) {
  const PixelThread t = grid.thread(Width);
  if (!t.exists) return;
  const Packet<float, Width> s = bases<Width>(axes, f, distances, t);
  const Packet<float, Width> sum = windowSum<true, true, Width>(axes, slopes, t, Same());
  const Packet<float, Width> slope = loadWide<Width>(slopes.at(t.image, t.h, t.w, t.c));
  Packet<float, Width> gradient = loadFloats<Width>(dy.at(t.image, t.h, t.w, t.c));
  const float count = windowPixels(axes, t);
#pragma unroll
  for (int e = 0; e < Width; ++e)
    gradient.values[e] =
        gradient.values[e] * f.power(s.values[e]) + slope.values[e] * count - sum.values[e];
  put<Add>(dx.at(t.image, t.h, t.w, t.c), gradient);
}

// Calls body(grid, items, Int<Width>()) for the tiles of x.
template <class S, class Body>
void forTiles(const View& x, int width, const Body& body) {
  forWidth<kMostWidth<S>>(width, [&](auto w) {
    forEachTileGrid(x, decltype(w)::value, [&](const TileGrid& grid, std::int64_t blocks) {
      body(grid, blocks * kThreads, w);
    });
  });
}

template <class S>
void distances(const View& x, const View& d, const Axes& axes, int width, cudaStream_t stream) {
  forTiles<S>(x, width, [&](const TileGrid& grid, std::int64_t items, auto w) {
    launchItems("localContrastNormDistances", distancesKernel<decltype(w)::value, S>, items, stream,
                grid, axes, volume<const S>(x), volume<float>(d));
  });
}

template <class S>
void forward(const LocalContrastNorm::Attributes& a, const Call& call) {
  const View &x = call.views[0], &y = call.views[1];
  const cudaStream_t stream = call.context.stream;
  const View d = denseFloats(x, call.views[2].data);
  const Axes axes = axesOf(a.size, x);
  const Formula formula{a.scale, a.beta, a.k};
  const int width =
      std::min({packetWidth(x, x.size[3]), packetWidth(y, x.size[3]), wideWidth<S>(d)});
  distances<S>(x, d, axes, width, stream);
  forTiles<S>(x, width, [&](const TileGrid& grid, std::int64_t items, auto w) {
    constexpr int kWidth = decltype(w)::value;
    launchItems("localContrastNorm",
                y.accumulates() ? contrastNormKernel<kWidth, true, S>
                                : contrastNormKernel<kWidth, false, S>,
                items, stream, grid, axes, formula, volume<const S>(x), volume<const float>(d),
                volume<S>(y));
  });
}

template <class S>
void backward(const LocalContrastNorm::Attributes& a, const Call& call) {
  const View &x = call.views[0], &dy = call.views[1], &dx = call.views[2];
  const cudaStream_t stream = call.context.stream;
  float* const workspace = call.views[3].as<float>();
  const View d = denseFloats(x, workspace), t = denseFloats(x, workspace + x.elements()),
             e = denseFloats(x, workspace + 2 * x.elements());
  const Axes axes = axesOf(a.size, x);
  const Formula formula{a.scale, a.beta, a.k};
  const int width =
      std::min({packetWidth(x, x.size[3]), packetWidth(dy, x.size[3]), packetWidth(dx, x.size[3]),
                wideWidth<S>(d), wideWidth<S>(t), wideWidth<S>(e)});
  distances<S>(x, d, axes, width, stream);
  forTiles<S>(x, width, [&](const TileGrid& grid, std::int64_t items, auto w) {
    constexpr int kWidth = decltype(w)::value;
    launchItems("localContrastNormShares", contrastNormSharesKernel<kWidth, S>, items, stream, grid,
                axes, formula, volume<const S>(x), volume<const S>(dy), volume<const float>(d),
                volume<float>(t));
    launchItems("localContrastNormSlopes", slopesKernel<kWidth>, items, stream, grid, axes, formula,
                volume<const float>(d), volume<const float>(t), volume<float>(e));
    launchItems("localContrastNormBackward",
                dx.accumulates() ? contrastNormBackwardKernel<kWidth, true, S>
                                 : contrastNormBackwardKernel<kWidth, false, S>,
                items, stream, grid, axes, formula, volume<const S>(dy), volume<const float>(d),
                volume<const float>(e), volume<S>(dx));
  });
}

}  // namespace

void local_contrast_norm(const Call& call) {
  const auto& a = *static_cast<const LocalContrastNorm::Attributes*>(call.attributes);
  forStorage(call.views[0].dtype, [&](auto type) {
    using S = decltype(type);
    if (call.op == LocalContrastNorm::Forward)
      forward<S>(a, call);
    else
      backward<S>(a, call);
  });
}

}  // namespace striate::cuda
