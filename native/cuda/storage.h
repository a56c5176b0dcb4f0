// Volumes in memory and in registers: stored as S (float, BFloat16, Float16), computed with as float.
#pragma once
#include "cuda/packet.h"
#include "ops/half.h"

namespace striate::cuda {

// `Width` neighbours of type S as floats; one access.
template <int Width, class S>
__device__ __forceinline__ Packet<float, Width> loadFloats(const S* p) {
  if constexpr (kIsHalf<S>) {
    const Packet<S, Width> stored = loadPacket<Width>(p);
    Packet<float, Width> values;
#pragma unroll
    for (int e = 0; e < Width; ++e) values.values[e] = toFloat(stored.values[e]);
    return values;
  } else {
    return loadPacket<Width>(p);
  }
}

template <int Width, class S>
__device__ __forceinline__ void storeFloats(S* p, const Packet<float, Width>& values) {
  if constexpr (kIsHalf<S>) {
    Packet<S, Width> stored;
#pragma unroll
    for (int e = 0; e < Width; ++e) stored.values[e] = fromFloat<S>(values.values[e]);
    storePacket(p, stored);
  } else {
    storePacket(p, values);
  }
}

template <class S>
__device__ __forceinline__ float loadFloat(const S* p) {
  return toFloat(load(p));
}
template <class S>
__device__ __forceinline__ void storeFloat(S* p, float value) {
  store(p, fromFloat<S>(value));
}

// Calls f(S()) for the type in which an operand is stored.
template <class F>
void forStorage(DType type, F&& f) {
  if (type == DType::BFloat16) return f(BFloat16());
  if (type == DType::Float16) return f(Float16());
  f(float());
}

// Elements of S in 16 bytes: the widest packet.
template <class S>
inline constexpr int kMostWidth = 16 / static_cast<int>(sizeof(S));

}  // namespace striate::cuda
