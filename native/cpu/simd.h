// Vectors of the instruction set at hand, by GCC's vector extensions: 64 bytes under AVX-512, 32 under
// AVX2, 16 elsewhere (SSE2, NEON). Arithmetic is written with plain operators; the few things that
// need intrinsics (masked loads and stores for tails) stand here and nowhere else. Views are aligned to
// an element only, so every access is unaligned.
#pragma once
#include <cstdint>
#include <type_traits>

#include "ops/view.h"

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#if defined(STRIATE_ISA)
namespace striate::cpu::STRIATE_ISA {

#if defined(__AVX512F__)
constexpr int kVectorBytes = 64;
#elif defined(__AVX2__)
constexpr int kVectorBytes = 32;
#else
constexpr int kVectorBytes = 16;
#endif

template <class T>
struct VectorOf {
  typedef T Type __attribute__((vector_size(kVectorBytes)));
  typedef T Unaligned __attribute__((vector_size(kVectorBytes), aligned(alignof(T)), may_alias));
};
template <class T>
using Vector = typename VectorOf<T>::Type;

// Numbers of elements, as many and as wide.
template <class T>
struct IndexOf {
  typedef std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t> Type
      __attribute__((vector_size(kVectorBytes)));
};

// Elements of a vector.
template <class T>
constexpr int kLanes = kVectorBytes / static_cast<int>(sizeof(T));

template <class T>
STRIATE_HD Vector<T> load(const T* from) {
  return *reinterpret_cast<const typename VectorOf<T>::Unaligned*>(from);
}
template <class T>
STRIATE_HD void store(T* to, Vector<T> v) {
  *reinterpret_cast<typename VectorOf<T>::Unaligned*>(to) = v;
}
template <class T>
STRIATE_HD Vector<T> splat(T value) {
  return value - Vector<T>{};
}

// The first `count` elements (1 to kLanes), the others zero; nothing beyond them is touched.
template <class T>
STRIATE_HD Vector<T> loadPartial(const T* from, std::int64_t count) {
  T lanes[kLanes<T>] = {};
  for (std::int64_t i = 0; i < count; ++i) lanes[i] = from[i];
  return load(lanes);
}
template <class T>
STRIATE_HD void storePartial(T* to, Vector<T> v, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) to[i] = v[i];
}

#if defined(__AVX512F__)
STRIATE_HD __mmask16 laneMask(std::int64_t count) {
  return static_cast<__mmask16>((1u << count) - 1u);
}
template <>
STRIATE_HD Vector<float> loadPartial(const float* from, std::int64_t count) {
  return reinterpret_cast<Vector<float>>(_mm512_maskz_loadu_ps(laneMask(count), from));
}
template <>
STRIATE_HD void storePartial(float* to, Vector<float> v, std::int64_t count) {
  _mm512_mask_storeu_ps(to, laneMask(count), reinterpret_cast<__m512>(v));
}
#elif defined(__AVX2__)
STRIATE_HD __m256i laneMask(std::int64_t count) {
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(count)), lane);
}
template <>
STRIATE_HD Vector<float> loadPartial(const float* from, std::int64_t count) {
  return reinterpret_cast<Vector<float>>(_mm256_maskload_ps(from, laneMask(count)));
}
template <>
STRIATE_HD void storePartial(float* to, Vector<float> v, std::int64_t count) {
  _mm256_maskstore_ps(to, laneMask(count), reinterpret_cast<__m256>(v));
}
#endif

// Integers as wide as T, one for each lane: what comparing vectors gives.
template <class T>
using Index = decltype(Vector<T>{} < Vector<T>{});
template <class T>
using IndexLane = __typeof__(Index<T>{}[0] + 0);

// kLanes<T> unsigned bytes as an index, and back. (GCC 12 takes a general conversion apart.)
template <class T>
STRIATE_HD Index<T> loadBytes(const std::uint8_t* from) {
  Index<T> index = {};
  for (int i = 0; i < kLanes<T>; ++i) index[i] = from[i];
  return index;
}
template <class T>
STRIATE_HD void storeBytes(std::uint8_t* to, Index<T> index) {
  for (int i = 0; i < kLanes<T>; ++i) to[i] = static_cast<std::uint8_t>(index[i]);
}
#if defined(__AVX512F__)
template <>
STRIATE_HD Index<float> loadBytes<float>(const std::uint8_t* from) {
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
  return reinterpret_cast<Index<float>>(_mm512_maskz_cvtepu8_epi32(0xffff, bytes));
}
template <>
STRIATE_HD void storeBytes<float>(std::uint8_t* to, Index<float> index) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to),
                   _mm512_maskz_cvtepi32_epi8(0xffff, reinterpret_cast<__m512i>(index)));
}
#elif defined(__AVX2__)
template <>
STRIATE_HD Index<float> loadBytes<float>(const std::uint8_t* from) {
  const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(from));
  return reinterpret_cast<Index<float>>(_mm256_cvtepu8_epi32(bytes));
}
template <>
STRIATE_HD void storeBytes<float>(std::uint8_t* to, Index<float> index) {
  const __m256i all = reinterpret_cast<__m256i>(index);
  const __m128i words =
      _mm_packus_epi32(_mm256_castsi256_si128(all), _mm256_extracti128_si256(all, 1));
  _mm_storel_epi64(reinterpret_cast<__m128i*>(to), _mm_packus_epi16(words, words));
}
#endif

STRIATE_HD constexpr std::int64_t smaller(std::int64_t a, std::int64_t b) { return a < b ? a : b; }
STRIATE_HD constexpr std::int64_t larger(std::int64_t a, std::int64_t b) { return a > b ? a : b; }
STRIATE_HD constexpr std::int64_t ceilDivide(std::int64_t a, std::int64_t b) {
  return (a + b - 1) / b;
}
STRIATE_HD constexpr std::int64_t roundUp(std::int64_t a, std::int64_t b) {
  return ceilDivide(a, b) * b;
}

// max(0, v), NaN kept.
template <class T>
STRIATE_HD Vector<T> rectify(Vector<T> v) {
  return v < Vector<T>{} ? Vector<T>{} : v;
}

// Elements of two vectors in turn: a0 b0 a1 b1 ..., of their lower or upper halves.
template <class T>
STRIATE_HD Vector<T> interleave(Vector<T> a, Vector<T> b, int from) {
#if defined(__clang__)
  Vector<T> r;
  for (int i = 0; i < kLanes<T>; ++i) r[i] = i % 2 ? b[from + i / 2] : a[from + i / 2];
  return r;
#else
  typename IndexOf<T>::Type index;
  for (int i = 0; i < kLanes<T>; ++i) index[i] = from + i / 2 + (i % 2 ? kLanes<T> : 0);
  return __builtin_shuffle(a, b, index);
#endif
}

// A square of as many vectors as a vector has elements becomes its transpose: each perfect shuffle of
// all elements rotates the bits of their position by one.
template <class T>
STRIATE_HD void transpose(Vector<T> (&rows)[kLanes<T>]) {
  constexpr int kHalf = kLanes<T> / 2;
#pragma GCC unroll 4
  for (int stage = 1; stage < kLanes<T>; stage *= 2) {
    Vector<T> shuffled[kLanes<T>];
#pragma GCC unroll 16
    for (int i = 0; i < kHalf; ++i) {
      shuffled[2 * i] = interleave<T>(rows[i], rows[i + kHalf], 0);
      shuffled[2 * i + 1] = interleave<T>(rows[i], rows[i + kHalf], kHalf);
    }
#pragma GCC unroll 16
    for (int i = 0; i < kLanes<T>; ++i) rows[i] = shuffled[i];
  }
}

// Copies of contiguous elements whose target has room for a whole vector behind the last one: the tail
// is written as a whole vector too (zeros behind it). The source is read within its bounds.
template <class T>
STRIATE_HD void copyRun(T* to, const T* from, std::int64_t count) {
  std::int64_t i = 0;
  for (; i + kLanes<T> <= count; i += kLanes<T>) store(to + i, load(from + i));
  if (i < count) store(to + i, loadPartial(from + i, count - i));
}
// The same where the source may be read up to a whole number of vectors.
template <class T>
STRIATE_HD void copyVectors(T* to, const T* from, std::int64_t count) {
  for (std::int64_t i = 0; i < count; i += kLanes<T>) store(to + i, load(from + i));
}
template <class T>
STRIATE_HD void zeroRun(T* to, std::int64_t count) {
  for (std::int64_t i = 0; i < count; i += kLanes<T>) store(to + i, Vector<T>{});
}

}  // namespace striate::cpu::STRIATE_ISA
#endif
