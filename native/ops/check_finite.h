// Clears control.commit when an element of `gradients` or `loss` is NaN or infinite: then no commit
// instruction of this step changes anything. Both are optional and of any shape.
#pragma once
#include "ops/op.h"

namespace striate::ops {

struct CheckFinite {
  enum Op : int { Forward };

  struct Attributes {
    std::int32_t reserved;
  };
  static constexpr Field fields[] = {STRIATE_FIELD(Attributes, reserved)};

  static constexpr OpInfo ops[] = {
      {"checkFinite",
       {optionalIn("gradients", Element::Compute), optionalIn("loss", Element::Compute)},
       true}};

  static void check(int, const Attributes&, const View* v) {
    requireArgument(v[0] || v[1], "gradients or loss is given");
  }

  // 0 for a finite x, NaN otherwise: sums of it show whether any was not finite.
  template <class T>
  STRIATE_HD static T residue(T x) {
    return x * T(0);
  }
};

}  // namespace striate::ops
