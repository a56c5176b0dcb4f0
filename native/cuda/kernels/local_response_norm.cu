// Local response normalisation and its gradient; see ops/local_response_norm.h.
// Forward must move: x and y once. A thread takes one packet of channels of a pixel; its window slides over
// the packets beside it (Across) or over the pixels around it (Within), which its neighbours read too, so
// that all but the first reading come from the cache.
// Backward is two gathers without atomics: x and dy, t to the workspace; then x, dy, t and dx. Must move x,
// dy and dx once; moves x and dy twice and t, in float32, twice beside that, and no activation of the
// forward pass is kept for it.
#include "ops/local_response_norm.h"

#include "cuda/storage.h"
#include "cuda/windows.h"

namespace striate::cuda {

using ops::LocalResponseNorm;

namespace {

struct Formula {
  float scale, beta, k;

  __device__ __forceinline__ float base(float sum) const { return k + scale * sum; }
  // s^-beta; Krizhevsky's 3/4 by square roots.
  __device__ __forceinline__ float power(float s) const {
    if (beta != 0.75f) return powf(s, -beta);
    const float root = sqrtf(s);
    return 1.0f / (root * sqrtf(root));
  }
};

// The windows of a volume: of channels, or of rows and columns.
struct Axes {
  Windows rows, columns, channels;
};

struct Square {
  __device__ __forceinline__ float operator()(float v) const { return v * v; }
};
struct Same {
  __device__ __forceinline__ float operator()(float v) const { return v; }
};

// Floats may come by the width of a packet of halves: then as several packets of 16 bytes.
template <int Width, class S>
__device__ __forceinline__ Packet<float, Width> loadWide(const S* p) {
  constexpr int kEach = Width < kMostWidth<S> ? Width : kMostWidth<S>;
  Packet<float, Width> values;
#pragma unroll
  for (int i = 0; i < Width; i += kEach) {
    const Packet<float, kEach> part = loadFloats<kEach>(p + i);
#pragma unroll
    for (int e = 0; e < kEach; ++e) values.values[i + e] = part.values[e];
  }
  return values;
}

// The sum of value(x) over the window of each channel of the packet or, Reverse, over all places whose
// windows hold it.
template <bool Within, bool Reverse, int Width, class S, class Value>
__device__ __forceinline__ Packet<float, Width> windowSum(const Axes& axes,
                                                          const Volume<const S>& x,
                                                          const PixelThread& t,
                                                          const Value& value) {
  Packet<float, Width> sum = {};
  if constexpr (Within) {
    const int h1 = Reverse ? axes.rows.lastOutput(t.h) : axes.rows.last(t.h);
    const int w0 = Reverse ? axes.columns.firstOutput(t.w) : axes.columns.first(t.w);
    const int w1 = Reverse ? axes.columns.lastOutput(t.w) : axes.columns.last(t.w);
    for (int h = Reverse ? axes.rows.firstOutput(t.h) : axes.rows.first(t.h); h < h1; ++h) {
      const S* const line = x.at(t.image, h, 0, t.c);
#pragma unroll 2
      for (int w = w0; w < w1; ++w) {
        const Packet<float, Width> part = loadWide<Width>(line + w * x.pitch);
#pragma unroll
        for (int e = 0; e < Width; ++e) sum.values[e] += value(part.values[e]);
      }
    }
  } else {
    const Windows& channels = axes.channels;
    const int before = Reverse ? channels.padAfter : channels.padBefore,
              after = Reverse ? channels.padBefore : channels.padAfter;
    const int c = static_cast<int>(t.c), lowest = c > before ? c - before : 0;
    const int end = min(c + Width + after, channels.extent);
    const S* const pixel = x.at(t.image, t.h, t.w, 0);
#pragma unroll 1
    for (int at = lowest / Width * Width; at < end; at += Width) {
      const Packet<float, Width> part = loadWide<Width>(pixel + at);
      float values[Width];
#pragma unroll
      for (int e = 0; e < Width; ++e) values[e] = value(part.values[e]);
        // Element e and the packet's channel o lie at - c + e - o apart.
#pragma unroll
      for (int apart = 1 - Width; apart < Width; ++apart) {
        const int distance = at - c + apart;
        if (distance < -before || distance > after) continue;
#pragma unroll
        for (int o = 0; o < Width; ++o)
          if (o + apart >= 0 && o + apart < Width) sum.values[o] += values[o + apart];
      }
    }
  }
  return sum;
}

template <bool Add, int Width, class S>
__device__ __forceinline__ void put(S* to, Packet<float, Width> value) {
  if constexpr (Add) {
    const Packet<float, Width> old = loadFloats<Width>(static_cast<const S*>(to));
#pragma unroll
    for (int e = 0; e < Width; ++e) value.values[e] += old.values[e];
  }
  storeFloats(to, value);
}

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
  float* const to = shares.at(t.image, t.h, t.w, t.c);
  constexpr int kEach = Width < 4 ? Width : 4;
#pragma unroll
  for (int i = 0; i < Width; i += kEach) {
    Packet<float, kEach> share;
#pragma unroll
    for (int e = 0; e < kEach; ++e) {
      const float s = f.base(sum.values[i + e]);
      share.values[e] = gradient.values[i + e] * value.values[i + e] * f.power(s) / s;
    }
    storePacket(to + i, share);
  }
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

Axes axesOf(const LocalResponseNorm::Attributes& a, const View& x) {
  const auto axis = [&](int i) { return windows(LocalResponseNorm::axis(a, x.size[i])); };
  return {axis(1), axis(2), axis(3)};
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
                items, call.context.stream, grid, axesOf(a, x), formula, volume<const S>(x),
                volume<S>(y));
  });
}

template <class S>
void backward(const LocalResponseNorm::Attributes& a, const Call& call) {
  const View &x = call.views[0], &dy = call.views[1], &dx = call.views[2];
  const Formula formula{a.scale, a.beta, a.k};
  // t has the extents of x and lies dense in the workspace.
  View shares = x;
  shares.data = call.views[3].data;
  shares.dtype = DType::Float32;
  shares.pitch = x.size[3];
  const int floats = packetWidth(shares, x.size[3]);
  const int width =
      std::min({packetWidth(x, x.size[3]), packetWidth(dy, x.size[3]), packetWidth(dx, x.size[3]),
                // 16 bytes of floats carry a wider packet of halves as well.
                floats == 4 ? kMostWidth<S> : floats});
  forPackets<S>(a, x, width, [&](auto grid, std::int64_t items, auto w, auto within) {
    constexpr int kWidth = decltype(w)::value;
    constexpr bool kWithin = decltype(within)::value;
    launchItems("localResponseNormShares",
                responseNormSharesKernel<kWidth, kWithin, S, decltype(grid)>, items,
                call.context.stream, grid, axesOf(a, x), formula, volume<const S>(x),
                volume<const S>(dy), volume<float>(shares));
  });
  forPackets<S>(a, dx, width, [&](auto grid, std::int64_t items, auto w, auto within) {
    constexpr int kWidth = decltype(w)::value;
    constexpr bool kWithin = decltype(within)::value;
    launchItems("localResponseNormBackward",
                dx.accumulates()
                    ? responseNormBackwardKernel<kWidth, kWithin, true, S, decltype(grid)>
                    : responseNormBackwardKernel<kWidth, kWithin, false, S, decltype(grid)>,
                items, call.context.stream, grid, axesOf(a, x), formula, volume<const S>(x),
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
