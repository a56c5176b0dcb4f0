// Conversions of ops/half.h for others to compare with: float32 numbers from standard input give a bfloat16
// and a float16 each on standard output; after them every bfloat16 and every float16 as float32.
#include "ops/half.h"

#include <cstdio>

int main() {
  float value;
  while (std::fread(&value, sizeof value, 1, stdin) == 1) {
    const std::uint16_t halves[2] = {striate::fromFloat<striate::BFloat16>(value).bits,
                                     striate::fromFloat<striate::Float16>(value).bits};
    std::fwrite(halves, sizeof halves, 1, stdout);
  }
  for (std::uint32_t bits = 0; bits <= 0xffff; ++bits) {
    const auto b = static_cast<std::uint16_t>(bits);
    const float values[2] = {toFloat(striate::BFloat16{b}), toFloat(striate::Float16{b})};
    std::fwrite(values, sizeof values, 1, stdout);
  }
  return 0;
}
