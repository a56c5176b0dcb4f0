// Philox 4x32-10, a counter-based generator (Salmon et al., "Parallel random numbers: as easy as
// 1, 2, 3", SC 2011): ten rounds of multiplication and exclusive or turn a counter of four words
// and a key of two into four random words. Every device computes the same integers.
#pragma once
#include <cstdint>

#include "ops/view.h"

namespace striate::ops {

struct Philox {
  std::uint32_t word[4];

  static constexpr std::uint32_t kMultiplier0 = 0xD2511F53u, kMultiplier1 = 0xCD9E8D57u;
  static constexpr std::uint32_t kWeyl0 = 0x9E3779B9u, kWeyl1 = 0xBB67AE85u;
  static constexpr int kRounds = 10;

  // One round, on words that may stand in arrays of many counters.
  STRIATE_HD static constexpr void round(std::uint32_t& c0, std::uint32_t& c1, std::uint32_t& c2,
                                         std::uint32_t& c3, std::uint32_t key0,
                                         std::uint32_t key1) {
    const std::uint64_t a = std::uint64_t(kMultiplier0) * c0, b = std::uint64_t(kMultiplier1) * c2;
    c0 = std::uint32_t(b >> 32) ^ c1 ^ key0;
    c1 = std::uint32_t(b);
    c2 = std::uint32_t(a >> 32) ^ c3 ^ key1;
    c3 = std::uint32_t(a);
  }

  STRIATE_HD static constexpr Philox block(Philox counter, std::uint32_t key0, std::uint32_t key1) {
    for (int i = 0; i < kRounds; ++i) {
      round(counter.word[0], counter.word[1], counter.word[2], counter.word[3], key0, key1);
      key0 += kWeyl0;
      key1 += kWeyl1;
    }
    return counter;
  }

  // The upper 24 bits as a number in [0, 1), exact in float32.
  STRIATE_HD static constexpr float uniform(std::uint32_t word) {
    return float(std::int32_t(word >> 8)) * 0x1p-24f;
  }
};

// Known answers of Random123 (kat_vectors, philox4x32 10).
namespace philox_test {
constexpr bool equal(Philox a, Philox b) {
  return a.word[0] == b.word[0] && a.word[1] == b.word[1] && a.word[2] == b.word[2] &&
         a.word[3] == b.word[3];
}
static_assert(equal(Philox::block({{0, 0, 0, 0}}, 0, 0),
                    {{0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u}}));
static_assert(equal(Philox::block({{~0u, ~0u, ~0u, ~0u}}, ~0u, ~0u),
                    {{0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu}}));
static_assert(equal(Philox::block({{0x243f6a88u, 0x85a308d3u, 0x13198a2eu, 0x03707344u}},
                                  0xa4093822u, 0x299f31d0u),
                    {{0xd16cfe09u, 0x94fdccebu, 0x5001e420u, 0x24126ea1u}}));
}  // namespace philox_test

}  // namespace striate::ops
