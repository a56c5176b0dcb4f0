// y = f(x0, x1, ...), elementwise, over views of one shape; f() alone fills.
//
// Inputs are stored as X, the output as S, `f` computes with floats. `f.begin()` runs once a thread, for what the functor
// reads from device memory (a scalar).
// Dense views are one long row; channel ranges are rows of `channels` elements, a pitch apart. A thread
// takes one packet: 16 bytes where alignment and extent allow, so a warp reads and writes whole sectors.
// Moves the bytes that must move: each input once, the output once (twice when it accumulates).
#pragma once
#include <algorithm>

#include "cuda/kernel.h"
#include "cuda/storage.h"

namespace striate::cuda {

struct Stateless {
  __device__ void begin() {}
};

template <class X, class S, int Inputs>
struct MapArguments {
  const X* x[Inputs + 1];
  std::int64_t xPitch[Inputs + 1];
  S* y;
  std::int64_t yPitch;
  std::uint32_t rows;
  std::uint32_t rowElements;
  std::uint32_t rowPackets;
};

template <int Inputs, class F>
__device__ __forceinline__ float apply(const F& f, const float* x) {
  (void)x;
  if constexpr (Inputs == 0)
    return f();
  else if constexpr (Inputs == 1)
    return f(x[0]);
  else if constexpr (Inputs == 2)
    return f(x[0], x[1]);
  else
    return f(x[0], x[1], x[2]);
}

template <int Width, bool Add, int Inputs, class X, class S, class F>
__global__ void __launch_bounds__(kThreads) mapKernel(F f, MapArguments<X, S, Inputs> a) {
  const std::uint32_t i = blockIdx.x * kThreads + threadIdx.x;
  const std::uint32_t row = i / a.rowPackets, at = (i - row * a.rowPackets) * Width;
  if (row >= a.rows) return;
  S* const y = a.y + row * a.yPitch + at;
  f.begin();
  if (at + Width <= a.rowElements) {
    Packet<float, Width> in[Inputs + 1], out;
#pragma unroll
    for (int k = 0; k < Inputs; ++k) in[k] = loadFloats<Width>(a.x[k] + row * a.xPitch[k] + at);
    if constexpr (Add) out = loadFloats<Width>(static_cast<const S*>(y));
#pragma unroll
    for (int e = 0; e < Width; ++e) {
      float values[Inputs + 1];
#pragma unroll
      for (int k = 0; k < Inputs; ++k) values[k] = in[k].values[e];
      const float value = apply<Inputs>(f, values);
      out.values[e] = Add ? out.values[e] + value : value;
    }
    storeFloats(y, out);
    return;
  }
  // The end of a row that is no multiple of the packet.
  for (std::uint32_t e = 0; e < a.rowElements - at; ++e) {
    float values[Inputs + 1];
#pragma unroll
    for (int k = 0; k < Inputs; ++k) values[k] = loadFloat(a.x[k] + row * a.xPitch[k] + at + e);
    const float value = apply<Inputs>(f, values);
    storeFloat(y + e, Add ? loadFloat(static_cast<const S*>(y) + e) + value : value);
  }
}

template <class X, class S, class F, class... Inputs>
void mapAs(const char* name, cudaStream_t stream, const F& f, const View& y, const Inputs&... xs) {
  constexpr int kInputs = sizeof...(Inputs);
  const View* const inputs[kInputs + 1] = {&xs..., &y};
  bool dense = y.dense();
  for (const View* x : inputs) dense = dense && x->dense();
  const std::int64_t channels = dense ? y.elements() : y.channels(), rows = dense ? 1 : y.pixels();
  // Dense rows may end in a part of a packet; channel ranges must be cut evenly.
  constexpr int kMost = std::min(kMostWidth<X>, kMostWidth<S>);
  int width = kMost;
  const auto narrow = [&](const View& v) {
    View row = v;
    if (dense) row.rank = 1, row.size[0] = channels / width * width;
    width = std::min(width, packetWidth(row, dense ? channels / width * width : channels));
  };
  for (const View* v : inputs) narrow(*v);

  // Pieces whose indices fit into 32 bits: rows at a time, or, for one long row, packets at a time.
  const std::int64_t pieceElements = std::min(channels, kMostItems);
  const std::int64_t pieceRows =
      std::max<std::int64_t>(1, kMostItems / std::max<std::int64_t>(1, channels));
  forWidth<kMost>(width, [&](auto w) {
    constexpr int kWidth = decltype(w)::value;
    for (std::int64_t row = 0; row < rows; row += pieceRows)
      for (std::int64_t at = 0; at < channels; at += pieceElements) {
        MapArguments<X, S, kInputs> a;
        for (int k = 0; k < kInputs; ++k) {
          a.x[k] =
              k == kInputs ? nullptr : inputs[k]->template as<X>() + row * inputs[k]->pitch + at;
          a.xPitch[k] = inputs[k]->pitch;
        }
        a.y = y.as<S>() + row * y.pitch + at;
        a.yPitch = y.pitch;
        a.rows = static_cast<std::uint32_t>(std::min(pieceRows, rows - row));
        a.rowElements = static_cast<std::uint32_t>(std::min(pieceElements, channels - at));
        a.rowPackets = static_cast<std::uint32_t>(ceilDivide(a.rowElements, kWidth));
        const std::int64_t items = std::int64_t(a.rows) * a.rowPackets;
        if (y.accumulates())
          launchItems(name, mapKernel<kWidth, true, kInputs, X, S, F>, items, stream, f, a);
        else
          launchItems(name, mapKernel<kWidth, false, kInputs, X, S, F>, items, stream, f, a);
      }
  });
}

// All views are stored as y is.
template <class F, class... Inputs>
void map(const char* name, cudaStream_t stream, const F& f, const View& y, const Inputs&... xs) {
  forStorage(y.dtype, [&](auto type) {
    using S = decltype(type);
    mapAs<S, S>(name, stream, f, y, xs...);
  });
}

}  // namespace striate::cuda
