// Local response normalisation and its gradient; see ops/local_response_norm.h.
// Forward must move: x and y once. A thread takes one packet of channels of a pixel; its window slides over
// the packets beside it (Across) or over the pixels around it (Within), which its neighbours read too, so
// that all but the first reading come from the cache.
// Backward is two gathers without atomics: x and dy, t to the workspace; then x, dy, t and dx. Must move x,
// dy and dx once; moves x and dy twice and t, in float32, twice beside that, and no activation of the
// forward pass is kept for it.
#include "ops/local_response_norm.h"

#include "cuda/neighbours.h"

namespace striate::cuda {

using ops::LocalResponseNorm;

namespace {

template <int Width, bool Within, bool Add, class S, class Grid>
__global__ void __launch_bounds__(kThreads, kBlocks)
    responseNormKernel(Grid grid, Axes axes, Formula f, Volume<const S> x, Volume<S> y) {
  const PixelThread t = grid.thread(Width);
  if (!t.exists) return;
  const Packet<float, Width> sum = windowSum<Within, false, Width>(axes, x, t, Square());
  Packet<float, Width> value = loadFloats<Width>(x.at(t.image, t.h, t.w, t.c));
#pragma unroll
  for (int e = 0; e < Width; ++e) value.values[e] *= f.power(f.base(sum.values[e]));
  put<Add>(y.at(t.image, t.h, t.w, t.c), value);
}

// t = dy x s^(-beta - 1).
template <int Width, bool Within, class S, class Grid>
__global__ void __launch_bounds__(kThreads, kBlocks)
    responseNormSharesKernel(Grid grid, Axes axes, Formula f, Volume<const S> x, Volume<const S> dy,
                             Volume<float> shares) {
  const PixelThread t = grid.thread(Width);
  if (!t.exists) return;
  const Packet<float, Width> sum = windowSum<Within, false, Width>(axes, x, t, Square());
  const Packet<float, Width> value = loadFloats<Width>(x.at(t.image, t.h, t.w, t.c));
  const Packet<float, Width> gradient = loadFloats<Width>(dy.at(t.image, t.h, t.w, t.c));
  Packet<float, Width> share;
#pragma unroll
  for (int e = 0; e < Width; ++e) {
    const float s = f.base(sum.values[e]);
    share.values[e] = gradient.values[e] * value.values[e] * f.power(s) / s;
  }
  storeWide(shares.at(t.image, t.h, t.w, t.c), share);
}

template <int Width, bool Within, bool Add, class S, class Grid>
__global__ void __launch_bounds__(kThreads, kBlocks)
    responseNormBackwardKernel(Grid grid, Axes axes, Formula f, Volume<const S> x,
                               Volume<const S> dy, Volume<const float> shares, Volume<S> dx) {
  const PixelThread t = grid.thread(Width);
  if (!t.exists) return;
  const Packet<float, Width> sum = windowSum<Within, false, Width>(axes, x, t, Square());
  const Packet<float, Width> share = windowSum<Within, true, Width>(axes, shares, t, Same());
  const Packet<float, Width> value = loadFloats<Width>(x.at(t.image, t.h, t.w, t.c));
  Packet<float, Width> gradient = loadFloats<Width>(dy.at(t.image, t.h, t.w, t.c));
  const float factor = 2 * f.scale * f.beta;
#pragma unroll
  for (int e = 0; e < Width; ++e)
    gradient.values[e] =
        LocalResponseNorm::gradient(value.values[e], gradient.values[e],
                                    f.power(f.base(sum.values[e])), share.values[e], factor);
  put<Add>(dx.at(t.image, t.h, t.w, t.c), gradient);
}

// Calls body(grid, items, Int<Width>(), within) with the region as a bool_constant. Windows of channels
// take the pixels in a row; windows of pixels take tiles of them, which share what they read.
template <class S, class Body>
void forPackets(const LocalResponseNorm::Attributes& a, const View& target, int width,
                const Body& body) {
  forWidth<kMostWidth<S>>(width, [&](auto w) {
    constexpr int kWidth = decltype(w)::value;
    if (a.region == LocalResponseNorm::Within)
      forEachTileGrid(target, kWidth, [&](const TileGrid& grid, std::int64_t blocks) {
        body(grid, blocks * kThreads, w, std::true_type());
      });
    else
      forEachPixelGrid(target, kWidth, [&](const PixelGrid& grid, std::int64_t items) {
        body(grid, items, w, std::false_type());
      });
  });
}

template <class S>
void forward(const LocalResponseNorm::Attributes& a, const Call& call) {
  const View &x = call.views[0], &y = call.views[1];
  const Formula formula{a.scale, a.beta, a.k};
  const int width = std::min(packetWidth(x, x.size[3]), packetWidth(y, x.size[3]));
  forPackets<S>(a, y, width, [&](auto grid, std::int64_t items, auto w, auto within) {
    constexpr int kWidth = decltype(w)::value;
    constexpr bool kWithin = decltype(within)::value;
    launchItems("localResponseNorm",
                y.accumulates() ? responseNormKernel<kWidth, kWithin, true, S, decltype(grid)>
                                : responseNormKernel<kWidth, kWithin, false, S, decltype(grid)>,
                items, call.context.stream, grid, axesOf(a.size, x), formula, volume<const S>(x),
                volume<S>(y));
  });
}

template <class S>
void backward(const LocalResponseNorm::Attributes& a, const Call& call) {
  const View &x = call.views[0], &dy = call.views[1], &dx = call.views[2];
  const Formula formula{a.scale, a.beta, a.k};
  const View shares = denseFloats(x, call.views[3].data);
  const int width = std::min({packetWidth(x, x.size[3]), packetWidth(dy, x.size[3]),
                              packetWidth(dx, x.size[3]), wideWidth<S>(shares)});
  forPackets<S>(a, x, width, [&](auto grid, std::int64_t items, auto w, auto within) {
    constexpr int kWidth = decltype(w)::value;
    constexpr bool kWithin = decltype(within)::value;
    launchItems("localResponseNormShares",
                responseNormSharesKernel<kWidth, kWithin, S, decltype(grid)>, items,
                call.context.stream, grid, axesOf(a.size, x), formula, volume<const S>(x),
                volume<const S>(dy), volume<float>(shares));
  });
  forPackets<S>(a, dx, width, [&](auto grid, std::int64_t items, auto w, auto within) {
    constexpr int kWidth = decltype(w)::value;
    constexpr bool kWithin = decltype(within)::value;
    launchItems("localResponseNormBackward",
                dx.accumulates()
                    ? responseNormBackwardKernel<kWidth, kWithin, true, S, decltype(grid)>
                    : responseNormBackwardKernel<kWidth, kWithin, false, S, decltype(grid)>,
                items, call.context.stream, grid, axesOf(a.size, x), formula, volume<const S>(x),
                volume<const S>(dy), volume<const float>(shares), volume<S>(dx));
  });
}

}  // namespace

void local_response_norm(const Call& call) {
  const auto& a = *static_cast<const LocalResponseNorm::Attributes*>(call.attributes);
  forStorage(call.views[0].dtype, [&](auto type) {
    using S = decltype(type);
    if (call.op == LocalResponseNorm::Forward)
      forward<S>(a, call);
    else
      backward<S>(a, call);
  });
}

}  // namespace striate::cuda
