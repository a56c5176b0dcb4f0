// ops/half.h against the compiler's own _Float16 and against arithmetic in double: every 16-bit number to
// float, and to 16 bits every number that is half way between two of them, its neighbours, and others spread
// over all of float32. Prints what differs; exits with 1 then.
#include "ops/half.h"

#include <cmath>
#include <cstdio>
#include <cstring>
#include <initializer_list>

namespace {

using striate::BFloat16;
using striate::Float16;

int failures = 0;

std::uint32_t bitsOf(float value) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, 4);
  return bits;
}
float floatOf(std::uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, 4);
  return value;
}
_Float16 halfOf(std::uint16_t bits) {
  _Float16 value;
  std::memcpy(&value, &bits, 2);
  return value;
}

void report(const char* what, std::uint32_t from, std::uint32_t found, std::uint32_t expected) {
  if (++failures <= 20) std::printf("%s of %08x is %08x instead of %08x\n", what, from, found, expected);
}

// Numbers as they are; NaN is NaN, whatever its fraction.
bool same(float a, float b) { return bitsOf(a) == bitsOf(b) || (std::isnan(a) && std::isnan(b)); }

void checkToFloat() {
  for (std::uint32_t bits = 0; bits <= 0xffff; ++bits) {
    const auto b = static_cast<std::uint16_t>(bits);
    const float half = striate::toFloat(Float16{b}), expected = static_cast<float>(halfOf(b));
    if (!same(half, expected)) report("float16 to float", bits, bitsOf(half), bitsOf(expected));
    const float brain = striate::toFloat(BFloat16{b});
    if (!same(brain, floatOf(bits << 16))) report("bfloat16 to float", bits, bitsOf(brain), bits << 16);
  }
}

// The bfloat16 nearest to a number, ties to even: the two around it are compared in double.
std::uint16_t nearestBrain(float value) {
  const std::uint32_t bits = bitsOf(value), down = bits & 0xffff0000u, up = down + 0x10000u;
  if (down == bits) return static_cast<std::uint16_t>(bits >> 16);
  const double below = floatOf(down);
  // Beyond the largest number the next step is what infinity stands for.
  const double above = std::isinf(floatOf(up)) ? std::ldexp(value < 0 ? -1.0 : 1.0, 128) : floatOf(up);
  const double left = std::fabs(value - below), right = std::fabs(above - value);
  const bool takesUp = right < left || (right == left && (down >> 16 & 1) != 0);
  return static_cast<std::uint16_t>((takesUp ? up : down) >> 16);
}

void checkFromFloat(std::uint32_t bits) {
  const float value = floatOf(bits);
  const float half = striate::toFloat(striate::fromFloat<Float16>(value)),
              brain = striate::toFloat(striate::fromFloat<BFloat16>(value));
  const float expected = static_cast<float>(static_cast<_Float16>(value));
  if (!same(half, expected)) report("float to float16", bits, bitsOf(half), bitsOf(expected));
  const float expectedBrain = std::isnan(value) || std::isinf(value)
                                  ? value
                                  : striate::toFloat(BFloat16{nearestBrain(value)});
  if (!same(brain, expectedBrain))
    report("float to bfloat16", bits, bitsOf(brain), bitsOf(expectedBrain));
}

}  // namespace

int main() {
  checkToFloat();
  // Around every point that is half way between two 16-bit numbers of either kind.
  for (std::uint32_t high = 0; high <= 0xffff; ++high)
    for (std::uint32_t low : {0x0000u, 0x0001u, 0x0fffu, 0x1000u, 0x1001u, 0x3000u, 0x7fffu, 0x8000u,
                              0x8001u, 0xefffu, 0xf000u, 0xffffu})
      checkFromFloat(high << 16 | low);
  for (std::uint32_t bits = 0; bits < 0xffff0000u; bits += 977) checkFromFloat(bits);
  std::printf("%d differences\n", failures);
  return failures == 0 ? 0 : 1;
}
