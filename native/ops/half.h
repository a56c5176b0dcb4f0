// The two 16-bit element types: storage alone, arithmetic is float32. Rounding is to the nearest, ties to
// even; NaN stays NaN, what is too large becomes infinite.
#pragma once
#include <cstdint>

#include "ops/view.h"

#if defined(__CUDACC__)
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#endif

namespace striate {

// 8 bits of exponent, 7 of fraction: the upper half of a float32.
struct BFloat16 {
  std::uint16_t bits;
};
// IEEE 754 binary16: 5 bits of exponent, 10 of fraction.
struct Float16 {
  std::uint16_t bits;
};

// Element types by what they are stored as: float and double stand for themselves.
template <class S>
inline constexpr bool kIsHalf = false;
template <>
inline constexpr bool kIsHalf<BFloat16> = true;
template <>
inline constexpr bool kIsHalf<Float16> = true;

namespace detail {
STRIATE_HD std::uint32_t bitsOf(float value) {
  std::uint32_t bits;
  __builtin_memcpy(&bits, &value, 4);
  return bits;
}
STRIATE_HD float floatOf(std::uint32_t bits) {
  float value;
  __builtin_memcpy(&value, &bits, 4);
  return value;
}
}  // namespace detail

STRIATE_HD float toFloat(float value) { return value; }
STRIATE_HD float toFloat(BFloat16 value) {
  return detail::floatOf(static_cast<std::uint32_t>(value.bits) << 16);
}
STRIATE_HD float toFloat(Float16 value) {
#if defined(__CUDA_ARCH__)
  return __half2float(__ushort_as_half(value.bits));
#else
  const std::uint32_t sign = (value.bits & 0x8000u) << 16, rest = value.bits & 0x7fffu;
  // Infinite and NaN keep their fraction under the largest exponent; subnormal numbers are multiples of
  // 2^-24, read without float32's own subnormal ones, which a thread may flush to zero.
  const std::uint32_t wide = rest << 13;
  if (rest >= 0x7c00u) return detail::floatOf(sign | 0x7f800000u | wide);
  if (rest < 0x0400u)
    return detail::floatOf(sign | detail::bitsOf(static_cast<float>(rest) * 0x1p-24f));
  return detail::floatOf(sign | (wide + 0x38000000u));
#endif
}

// fromFloat<S>(value): the element of type S that is nearest.
template <class S>
STRIATE_HD S fromFloat(float value);

template <>
STRIATE_HD float fromFloat<float>(float value) {
  return value;
}
template <>
STRIATE_HD BFloat16 fromFloat<BFloat16>(float value) {
#if defined(__CUDA_ARCH__)
  return {__bfloat16_as_ushort(__float2bfloat16_rn(value))};
#else
  const std::uint32_t bits = detail::bitsOf(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return {0x7fff};
  return {static_cast<std::uint16_t>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16)};
#endif
}
template <>
STRIATE_HD Float16 fromFloat<Float16>(float value) {
#if defined(__CUDA_ARCH__)
  return {__half_as_ushort(__float2half_rn(value))};
#else
  const std::uint32_t bits = detail::bitsOf(value), sign = bits >> 16 & 0x8000u,
                      size = bits & 0x7fffffffu;
  if (size > 0x7f800000u) return {0x7fff};
  if (size >= 0x477ff000u) return {static_cast<std::uint16_t>(sign | 0x7c00u)};
  if (size < 0x38800000u) {
    // Below the normal numbers: adding 0.5 lets float32's own rounding cut at 2^-24.
    const std::uint32_t rounded = detail::bitsOf(detail::floatOf(size) + 0.5f) - 0x3f000000u;
    return {static_cast<std::uint16_t>(sign | rounded)};
  }
  return {
      static_cast<std::uint16_t>(sign | ((size - 0x38000000u + 0xfffu + (size >> 13 & 1u)) >> 13))};
#endif
}

}  // namespace striate
