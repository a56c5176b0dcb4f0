// cpu/vector_math.h against the library's functions in double, over float32. Prints for each function the
// largest error, in units in the last place, and what is wrong with special values; exits with 1 then.
#include <cmath>
#include <cstdio>
#include <cstring>

#define STRIATE_ISA measured
#include "cpu/vector_math.h"

namespace {

using namespace striate::cpu::measured;

float floatOf(std::uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, 4);
  return value;
}

// Every 1021st number of both signs within [low, high]; results below 2^-126 are left out.
constexpr std::uint32_t kStep = 1021;
template <class F, class Exact>
void measure(const char* name, float low, float high, F f, Exact exact) {
  double worst = 0;
  float where = 0;
  for (std::uint64_t bits = 0; bits < (std::uint64_t(1) << 32); bits += kStep) {
    const float x = floatOf(std::uint32_t(bits));
    if (!(x >= low && x <= high)) continue;
    const double expected = exact(double(x));
    if (std::fabs(expected) < 0x1p-126) continue;
    int exponent;
    std::frexp(expected, &exponent);
    const double error = std::fabs(double(f(x)) - expected) / std::ldexp(1.0, exponent - 24);
    if (!(error <= worst)) worst = error, where = x;
  }
  std::printf("%s %.3f at %a\n", name, worst, double(where));
}

int failures = 0;
void same(const char* what, float found, float expected) {
  if (found == expected || (std::isnan(found) && std::isnan(expected))) return;
  std::printf("%s is %g\n", what, double(found));
  ++failures;
}

}  // namespace

int main() {
  measure("exponential", -87.3f, 88.7f, [](float x) { return exponential(x); },
          [](double x) { return std::exp(x); });
  measure("exponentialMinusOne", -200.0f, 0.0f, [](float x) { return exponentialMinusOne(x); },
          [](double x) { return std::expm1(x); });
  measure("hyperbolicTangent", -100.0f, 100.0f, [](float x) { return hyperbolicTangent(x); },
          [](double x) { return std::tanh(x); });
  measure("logOnePlus", 0.0f, 1.0f, [](float x) { return logOnePlus(x); },
          [](double x) { return std::log1p(x); });
  measure("sigmoid", -87.0f, 100.0f, [](float x) { return 1.0f / (1.0f + exponential(-x)); },
          [](double x) { return 1 / (1 + std::exp(-x)); });
  measure("normalTail", 0.0f, 40.0f, [](float x) { return normalLaw(x).tail; },
          [](double x) { return 0.5 * std::erfc(x * std::sqrt(0.5)); });
  measure("normalDensity", 0.0f, 40.0f, [](float x) { return normalLaw(x).density; },
          [](double x) { return std::exp(-0.5 * x * x) / std::sqrt(2 * std::acos(-1.0)); });

  const float infinity = INFINITY, nan = NAN;
  same("exponential(-inf)", exponential(-infinity), 0);
  same("exponential(inf)", exponential(infinity), infinity);
  same("exponential(nan)", exponential(nan), nan);
  same("exponentialMinusOne(-inf)", exponentialMinusOne(-infinity), -1);
  same("exponentialMinusOne(nan)", exponentialMinusOne(nan), nan);
  same("hyperbolicTangent(-inf)", hyperbolicTangent(-infinity), -1);
  same("hyperbolicTangent(inf)", hyperbolicTangent(infinity), 1);
  same("hyperbolicTangent(nan)", hyperbolicTangent(nan), nan);
  same("logOnePlus(nan)", logOnePlus(nan), nan);
  same("normalLaw(40).tail", normalLaw(40.0f).tail, 0);
  same("normalLaw(40).density", normalLaw(40.0f).density, 0);
  same("normalLaw(nan).tail", normalLaw(nan).tail, nan);
  same("normalLaw(nan).density", normalLaw(nan).density, nan);
  return failures > 0;
}
