// Dropout: y = x / (1 - rate) where the element is kept, else 0. The gradient is the same op on dy:
// the mask is drawn again, not stored.
// Philox 4x32-10 (ops/philox.h) draws it. The 64-bit key is control.seed xor `key` (the hash of the
// layer's name), its low word first. The counter is (element / 4, sample, step low, step high),
// where `element` counts within the sample, channels innermost, whatever the pitch, and `sample` is
// the index in the logical batch, control.sampleOffset + i. Element e takes word e % 4 and is kept
// when its uniform is not below rate.
#pragma once
#include "ops/op.h"
#include "ops/philox.h"

namespace striate::ops {

struct Dropout {
  enum Op : int { Forward };

  struct Attributes {
    std::int64_t key;
    float rate;
    std::int32_t reserved;
  };
  static constexpr Field fields[] = {STRIATE_FIELD(Attributes, rate),
                                     STRIATE_FIELD(Attributes, key)};

  // y may be x.
  static constexpr OpInfo ops[] = {{"dropout", {in("x"), out("y")}}};

  static void check(int, const Attributes& a, const View* v) {
    requireArgument(a.rate >= 0 && a.rate < 1, "rate is at least 0 and less than 1");
    requireShape(v[0].rank >= 1, "the first axis of x counts the samples");
    requireShape(sameShape(v[0], v[1]), "y has the shape of x");
    requireShape(v[0].elements() / v[0].size[0] / 4 < INT64_C(1) << 32,
                 "a sample has fewer than 2^34 elements");
  }

  STRIATE_HD static std::uint64_t key(const Attributes& a, const Control& control) {
    return control.seed ^ std::uint64_t(a.key);
  }
  STRIATE_HD static Philox counter(std::int64_t block, std::int64_t sample,
                                   const Control& control) {
    return {{std::uint32_t(block), std::uint32_t(control.sampleOffset + sample),
             std::uint32_t(control.step), std::uint32_t(std::uint64_t(control.step) >> 32)}};
  }
  template <class T>
  STRIATE_HD static T scale(const Attributes& a) {
    return T(1) / (T(1) - T(a.rate));
  }
};

}  // namespace striate::ops
