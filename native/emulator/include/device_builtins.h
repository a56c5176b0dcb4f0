// Device code: qualifiers, vector types, thread indices, barriers, warp operations, atomics.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>

#include "emulator/thread.h"

#define STRIATE_EMULATOR 1
#define __global__
#define __device__
#define __host__
#define __constant__ static
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#ifndef __restrict__
#define __restrict__ __restrict
#endif

struct alignas(4) uchar4 {
  unsigned char x, y, z, w;
};
struct alignas(8) float2 {
  float x, y;
};
struct alignas(16) float4 {
  float x, y, z, w;
};
struct alignas(8) uint2 {
  unsigned x, y;
};
struct alignas(16) uint4 {
  unsigned x, y, z, w;
};
struct alignas(16) int4 {
  int x, y, z, w;
};
struct alignas(16) double2 {
  double x, y;
};
inline float2 make_float2(float x, float y) { return {x, y}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
inline uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }
inline int4 make_int4(int x, int y, int z, int w) { return {x, y, z, w}; }
inline uchar4 make_uchar4(unsigned char x, unsigned char y, unsigned char z, unsigned char w) {
  return {x, y, z, w};
}
inline double2 make_double2(double x, double y) { return {x, y}; }

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};

#define threadIdx (::striate::emulator::indices().threadIdx)
#define blockIdx (::striate::emulator::indices().blockIdx)
#define blockDim (::striate::emulator::indices().blockDim)
#define gridDim (::striate::emulator::indices().gridDim)
#define warpSize 32

inline void __syncthreads() { ::striate::emulator::syncThreads(); }
inline void __syncwarp(unsigned mask = 0xffffffffu) { ::striate::emulator::syncWarp(mask); }

namespace striate::emulator {

template <class T>
std::uint64_t toBits(T value) {
  static_assert(sizeof(T) <= 8);
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof(T));
  return bits;
}

template <class T>
T fromBits(std::uint64_t bits) {
  T value;
  std::memcpy(&value, &bits, sizeof(T));
  return value;
}

// A lane outside its segment of `width` keeps its own value, as the Programming Guide says.
template <class T>
T shuffle(unsigned mask, T value, int source, bool inSegment) {
  exchange(WarpOp::Shuffle, mask, toBits(value));
  if (!inSegment) return value;
  requireLane(mask, static_cast<std::uint32_t>(source));
  return fromBits<T>(valueOf(static_cast<std::uint32_t>(source)));
}

inline int laneInWarp() { return static_cast<int>(indices().lane); }

}  // namespace striate::emulator

template <class T>
T __shfl_sync(unsigned mask, T value, int source, int width = 32) {
  const int lane = ::striate::emulator::laneInWarp(), first = lane / width * width;
  return ::striate::emulator::shuffle(mask, value, first + (source & (width - 1)), true);
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32) {
  const int lane = ::striate::emulator::laneInWarp(), source = lane + static_cast<int>(delta);
  return ::striate::emulator::shuffle(mask, value, source, source < lane / width * width + width);
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32) {
  const int lane = ::striate::emulator::laneInWarp(), source = lane - static_cast<int>(delta);
  return ::striate::emulator::shuffle(mask, value, source, source >= lane / width * width);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int laneMask, int width = 32) {
  const int lane = ::striate::emulator::laneInWarp(), source = lane ^ laneMask;
  return ::striate::emulator::shuffle(mask, value, source, source < lane / width * width + width);
}
inline unsigned __ballot_sync(unsigned mask, int predicate) {
  ::striate::emulator::exchange(::striate::emulator::WarpOp::Ballot, mask, predicate != 0);
  unsigned votes = 0;
  for (unsigned rest = mask; rest != 0; rest &= rest - 1) {
    const int lane = __builtin_ctz(rest);
    if (::striate::emulator::valueOf(static_cast<std::uint32_t>(lane))) votes |= 1u << lane;
  }
  return votes;
}
inline int __any_sync(unsigned mask, int predicate) { return __ballot_sync(mask, predicate) != 0; }
inline int __all_sync(unsigned mask, int predicate) {
  return __ballot_sync(mask, predicate) == mask;
}

namespace striate::emulator {
template <class T>
T* atomicTarget(T* p) {
  return static_cast<T*>(access(p, sizeof(T), alignof(T), Space::Atomic));
}
}  // namespace striate::emulator

// One thread runs at a time, so plain arithmetic on the checked address is atomic.
template <class T>
T atomicAdd(T* p, T value) {
  T* at = ::striate::emulator::atomicTarget(p);
  const T old = *at;
  *at = old + value;
  return old;
}
template <class T>
T atomicMax(T* p, T value) {
  T* at = ::striate::emulator::atomicTarget(p);
  const T old = *at;
  if (value > old) *at = value;
  return old;
}
template <class T>
T atomicAnd(T* p, T value) {
  T* at = ::striate::emulator::atomicTarget(p);
  const T old = *at;
  *at = old & value;
  return old;
}
template <class T>
T atomicOr(T* p, T value) {
  T* at = ::striate::emulator::atomicTarget(p);
  const T old = *at;
  *at = old | value;
  return old;
}
template <class T>
T atomicExch(T* p, T value) {
  T* at = ::striate::emulator::atomicTarget(p);
  const T old = *at;
  *at = value;
  return old;
}
inline void __threadfence() {}

inline int min(int a, int b) { return a < b ? a : b; }
inline int max(int a, int b) { return a > b ? a : b; }

inline std::uint32_t __umulhi(std::uint32_t a, std::uint32_t b) {
  return static_cast<std::uint32_t>((std::uint64_t(a) * b) >> 32);
}
inline float __int_as_float(int bits) {
  return ::striate::emulator::fromBits<float>(static_cast<std::uint32_t>(bits));
}
inline int __float_as_int(float value) {
  return static_cast<int>(::striate::emulator::toBits(value));
}
