// Sums over the neighbours of each value, in its channel or across channels, for local normalisation: a
// thread takes one packet of channels of a pixel.
#pragma once
#include "cuda/storage.h"
#include "cuda/windows.h"
#include "ops/neighbours.h"

namespace striate::cuda {

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

template <int Width>
__device__ __forceinline__ void storeWide(float* to, const Packet<float, Width>& value) {
  constexpr int kEach = Width < 4 ? Width : 4;
#pragma unroll
  for (int i = 0; i < Width; i += kEach) {
    Packet<float, kEach> part;
#pragma unroll
    for (int e = 0; e < kEach; ++e) part.values[e] = value.values[i + e];
    storePacket(to + i, part);
  }
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

inline Axes axesOf(std::int64_t size, const View& x) {
  const auto axis = [&](int i) { return windows(ops::neighbourhood(size, x.size[i])); };
  return {axis(1), axis(2), axis(3)};
}

// A volume of floats with the extents of x, dense at `data`.
inline View denseFloats(const View& x, void* data) {
  View v = x;
  v.data = data;
  v.dtype = DType::Float32;
  v.pitch = x.size[3];
  return v;
}

// The widest packet of S that a volume of floats beside it allows: 16 bytes of floats carry a wider packet
// of halves as well.
template <class S>
int wideWidth(const View& floats) {
  const int width = packetWidth(floats, floats.size[3]);
  return width == 4 ? kMostWidth<S> : width;
}

}  // namespace striate::cuda
