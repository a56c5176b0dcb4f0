// How kernels touch memory. Under nvcc these are plain vector accesses; in the emulator each one is
// checked and counted. A kernel never dereferences a pointer to global or shared memory by itself.
#pragma once
#include <cuda_runtime.h>

#include <cstddef>

namespace striate::cuda {

#if defined(STRIATE_EMULATOR)

// One access of sizeof(V) bytes. `V` may be a vector (float4) at a suitably aligned address.
template <class V>
__forceinline__ V load(const V* p) {
  return *static_cast<const V*>(emulator::access(p, sizeof(V), alignof(V), emulator::Space::Read));
}
template <class V>
__forceinline__ void store(V* p, V value) {
  *static_cast<V*>(emulator::access(p, sizeof(V), alignof(V), emulator::Space::Write)) = value;
}

// STRIATE_SHARED(float, tile, 32 * 33): `tile` points to static shared memory of the block.
#define STRIATE_SHARED(T, name, count)                               \
  static const char name##Site = 0;                                  \
  T* const name = static_cast<T*>(::striate::emulator::staticShared( \
      &name##Site, sizeof(T) * (count), alignof(T) > 16 ? alignof(T) : 16))
#define STRIATE_DYNAMIC_SHARED(T, name) \
  T* const name = static_cast<T*>(::striate::emulator::dynamicShared())

#else

template <class V>
__device__ __forceinline__ V load(const V* p) {
  return *p;
}
template <class V>
__device__ __forceinline__ void store(V* p, V value) {
  *p = value;
}

#define STRIATE_SHARED(T, name, count) __shared__ __align__(16) T name[count]
#define STRIATE_DYNAMIC_SHARED(T, name)                                 \
  extern __shared__ __align__(16) unsigned char striateDynamicShared[]; \
  T* const name = reinterpret_cast<T*>(striateDynamicShared)

#endif

}  // namespace striate::cuda
