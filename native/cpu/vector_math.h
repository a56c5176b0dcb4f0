// The exponential as a loop body without branches or calls, so that the compiler vectorises it.
#pragma once
#include <cstdint>

#include "ops/view.h"

#if defined(STRIATE_ISA)
namespace striate::cpu::STRIATE_ISA {

// e^x, within 1.1 units in the last place over the whole range, results below 2^-126 included
// unless the thread flushes them. Cephes' polynomial (Moshier, expf) after the reduction x = n log
// 2 + r with |r| <= log(2) / 2; log 2 in two parts, the first short enough that n times it is
// exact.
STRIATE_HD float exponential(float x) {
  constexpr float kShift = 0x1.8p23f;  // adding it rounds to the nearest integer
  const float bounded = x < -104.0f ? -104.0f : x > 89.0f ? 89.0f : x;  // NaN stays
  const float shifted = bounded * 1.44269504088896341f + kShift;
  const float n = shifted - kShift;
  const float r = (bounded - n * 0.693359375f) + n * 2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;

  // Times 2^n in two steps, for neither 2^128 nor 2^-150 is a float of its own. The integer n
  // stands in the lowest bits of `shifted`; NaN leaves nonsense there, and stays NaN in the
  // product.
  std::int32_t bits, zero;
  __builtin_memcpy(&bits, &shifted, 4);
  __builtin_memcpy(&zero, &kShift, 4);
  const std::int32_t exponent = std::int32_t(std::uint32_t(bits) - std::uint32_t(zero));
  const std::int32_t half = exponent >> 1, rest = exponent - half;
  const std::uint32_t first = std::uint32_t(half + 127) << 23, second = std::uint32_t(rest + 127)
                                                                        << 23;
  float a, b;
  __builtin_memcpy(&a, &first, 4);
  __builtin_memcpy(&b, &second, 4);
  return p * a * b;
}
STRIATE_HD double exponential(double x) { return __builtin_exp(x); }

STRIATE_HD float logarithm(float x) { return __builtin_logf(x); }
STRIATE_HD double logarithm(double x) { return __builtin_log(x); }
STRIATE_HD float squareRoot(float x) { return __builtin_sqrtf(x); }
STRIATE_HD double squareRoot(double x) { return __builtin_sqrt(x); }
STRIATE_HD float magnitude(float x) { return __builtin_fabsf(x); }
STRIATE_HD double magnitude(double x) { return __builtin_fabs(x); }

}  // namespace striate::cpu::STRIATE_ISA
#endif
