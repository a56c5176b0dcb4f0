// Transcendental functions as loop bodies without branches or calls, so that the compiler vectorises
// them. Errors are stated in units in the last place (ulp) and held by test/native/vector_math.test.ts;
// results below 2^-126 are left out, threads may flush them. NaN stays. In double they are the library's.
#pragma once
#include <cstdint>

#include "ops/view.h"

#if defined(STRIATE_ISA)
namespace striate::cpu::STRIATE_ISA {

namespace detail {
// x = n log 2 + r with |r| <= log(2) / 2, for |x| below 2^21: log 2 in two parts, the first short
// enough that n times it is exact. The integer n stands in the lowest bits of `shifted`.
constexpr float kShift = 0x1.8p23f;  // adding it rounds to the nearest integer
struct Reduced {
  float shifted, r;
};
STRIATE_HD Reduced reduced(float x) {
  const float shifted = x * 1.44269504088896341f + kShift;
  const float n = shifted - kShift;
  return {shifted, (x - n * 0.693359375f) + n * 2.12194440e-4f};
}
STRIATE_HD std::int32_t integerOf(float shifted) {
  std::int32_t bits, zero;
  __builtin_memcpy(&bits, &shifted, 4);
  __builtin_memcpy(&zero, &kShift, 4);
  return std::int32_t(std::uint32_t(bits) - std::uint32_t(zero));
}
// 2^n for -126 <= n <= 127.
STRIATE_HD float powerOfTwo(std::int32_t n) {
  const std::uint32_t bits = std::uint32_t(n + 127) << 23;
  float power;
  __builtin_memcpy(&power, &bits, 4);
  return power;
}
// (e^r - 1 - r) / r^2: Cephes' polynomial (Moshier, expf).
STRIATE_HD float exponentialTail(float r) {
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  return p * r + 5.0000001201e-1f;
}
}  // namespace detail

// e^x, within 1.1 ulp over the whole range.
STRIATE_HD float exponential(float x) {
  const float bounded = x < -104.0f ? -104.0f : x > 89.0f ? 89.0f : x;
  const detail::Reduced a = detail::reduced(bounded);
  const float p = detail::exponentialTail(a.r) * a.r * a.r + a.r + 1.0f;
  // Times 2^n in two steps, for neither 2^128 nor 2^-150 is a float of its own. NaN leaves nonsense in
  // n, and stays NaN in the product.
  const std::int32_t n = detail::integerOf(a.shifted), half = n >> 1;
  return p * detail::powerOfTwo(half) * detail::powerOfTwo(n - half);
}
STRIATE_HD double exponential(double x) { return __builtin_exp(x); }

// e^x - 1 for x <= 0, within 1 ulp.
STRIATE_HD float exponentialMinusOne(float x) {
  const detail::Reduced a = detail::reduced(x < -30.0f ? -30.0f : x);
  const float p = detail::exponentialTail(a.r) * a.r * a.r + a.r;
  const float power = detail::powerOfTwo(detail::integerOf(a.shifted));
  return p * power + (power - 1.0f);
}
STRIATE_HD double exponentialMinusOne(double x) { return __builtin_expm1(x); }

// tanh x, within 1.4 ulp: Cephes' polynomial (Moshier, tanhf) below 5/8, 1 - 2 / (e^2x + 1) above.
STRIATE_HD float hyperbolicTangent(float x) {
  const float size = __builtin_fabsf(x), z = x * x;
  float p = -5.70498872745e-3f;
  p = p * z + 2.06390887954e-2f;
  p = p * z - 5.37397155531e-2f;
  p = p * z + 1.33314422036e-1f;
  p = p * z - 3.33332819422e-1f;
  const float near = p * z * x + x;
  const float far = 1.0f - 2.0f / (exponential(size + size) + 1.0f);
  return size < 0.625f ? near : x < 0.0f ? -far : far;
}
STRIATE_HD double hyperbolicTangent(double x) { return __builtin_tanh(x); }

// log(1 + u) for 0 <= u <= 1, within 2 ulp: 2 artanh s with s = u / (2 + u), its series in s^2 as a
// polynomial of least relative error (5e-9).
STRIATE_HD float logOnePlus(float u) {
  const float s = u / (2.0f + u), z = s * s;
  float p = 0.2802446567f;
  p = p * z + 0.2799913940f;
  p = p * z + 0.4002169919f;
  p = p * z + 0.6666641313f;
  return p * z * s + 2.0f * s;
}
STRIATE_HD double logOnePlus(double u) { return __builtin_log1p(u); }

// The standard normal law at z >= 0: the probability beyond z, and the density at z.
template <class T>
struct NormalLaw {
  T tail, density;
};

// The tail within 7 ulp, the density within 4, for z up to 40. The tail is e^(-z^2 / 2) t P(t) with t = 1 / (1 + 0.3 z), P the
// polynomial of least relative error for z <= 14.5, behind which a float has nothing left; what
// rounding takes from z^2 (Veltkamp's halves of z give it) goes into the exponential.
STRIATE_HD NormalLaw<float> normalLaw(float z) {
  const float square = z * z, wide = z * 4097.0f;
  const float high = wide - (wide - z), low = z - high;
  const float rest = ((high * high - square) + 2.0f * high * low) + low * low;
  const float bell = exponential(-0.5f * square) * (1.0f - 0.5f * rest);
  const float t = 1.0f / (1.0f + 0.3f * z);
  float p = -2.062355203e-02f;
  p = p * t + 1.124360624e-01f;
  p = p * t - 2.282146508e-01f;
  p = p * t + 1.917859254e-01f;
  p = p * t - 7.942463532e-02f;
  p = p * t + 9.615743760e-02f;
  p = p * t + 7.838944449e-02f;
  p = p * t + 1.102354676e-01f;
  p = p * t + 1.195718089e-01f;
  p = p * t + 1.196866901e-01f;
  return {bell * (t * p), bell * 0.398942280f};
}
STRIATE_HD NormalLaw<double> normalLaw(double z) {
  return {0.5 * __builtin_erfc(z * 0.70710678118654752440),
          __builtin_exp(-0.5 * z * z) * 0.39894228040143267794};
}

STRIATE_HD float logarithm(float x) { return __builtin_logf(x); }
STRIATE_HD double logarithm(double x) { return __builtin_log(x); }
STRIATE_HD float squareRoot(float x) { return __builtin_sqrtf(x); }
STRIATE_HD double squareRoot(double x) { return __builtin_sqrt(x); }
STRIATE_HD float magnitude(float x) { return __builtin_fabsf(x); }
STRIATE_HD double magnitude(double x) { return __builtin_fabs(x); }

}  // namespace striate::cpu::STRIATE_ISA
#endif
