// Sums over a warp and a block in a fixed order.
#pragma once
#include "cuda/access.h"

namespace striate::cuda {

template <class T>
__device__ __forceinline__ T warpSum(T value) {
#pragma unroll
  for (int distance = 16; distance > 0; distance /= 2)
    value += __shfl_xor_sync(0xffffffffu, value, distance);
  return value;
}

// The sum over a block of `Threads` threads, in thread 0. `scratch` holds Threads / 32 elements of shared
// memory that nobody uses before the next barrier after this call.
template <int Threads, class T>
__device__ __forceinline__ T blockSum(T value, T* scratch) {
  value = warpSum(value);
  const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
  if (lane == 0) store(scratch + warp, value);
  __syncthreads();
  T sum = T(0);
  if (threadIdx.x == 0)
    for (int w = 0; w < Threads / 32; ++w) sum += load(static_cast<const T*>(scratch) + w);
  return sum;
}

}  // namespace striate::cuda
