// Neighbouring elements that travel as one access of up to 16 bytes.
#pragma once
#include "cuda/access.h"
#include "ops/view.h"

namespace striate::cuda {

template <class T, int Width>
struct alignas(sizeof(T) * Width) Packet {
  T values[Width];
};

template <int Width, class T>
__device__ __forceinline__ Packet<T, Width> loadPacket(const T* p) {
  return load(reinterpret_cast<const Packet<T, Width>*>(p));
}
template <int Width, class T>
__device__ __forceinline__ void storePacket(T* p, const Packet<T, Width>& value) {
  store(reinterpret_cast<Packet<T, Width>*>(p), value);
}

// The widest packet of at most 16 bytes, as a power of two, that divides the channels and to which
// every pixel of the view is aligned.
inline int packetWidth(const View& v, std::int64_t channels) {
  const std::int64_t size = sizeOf(v.dtype);
  int width = static_cast<int>(16 / size);
  const auto fits = [&](int w) {
    return channels % w == 0 && reinterpret_cast<std::uintptr_t>(v.data) % (w * size) == 0 &&
           (v.pixels() == 1 || v.pitch % w == 0);
  };
  while (width > 1 && !fits(width)) width /= 2;
  return width;
}

// Calls f(Int<Width>()) for a width of 1, 2, 4 (or 8, 16 for small types).
template <int Value>
struct Int {
  static constexpr int value = Value;
};

template <int Most, class F>
void forWidth(int width, F&& f) {
  if constexpr (Most >= 16)
    if (width == 16) return f(Int<16>());
  if constexpr (Most >= 8)
    if (width == 8) return f(Int<8>());
  if (Most >= 4 && width == 4) return f(Int<4>());
  if (width == 2) return f(Int<2>());
  f(Int<1>());
}

}  // namespace striate::cuda
