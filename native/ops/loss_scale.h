// The loss scale of float16 training (Micikevicius et al., ICLR 2018): gradients begin multiplied by
// control.lossScale, so that small ones do not become zero in 16 bits; the optimizers divide by it where
// they read them (ops/slab.h).
//   scaleByLossScale: y = x * lossScale; y = lossScale without x.
#pragma once
#include "ops/op.h"

namespace striate::ops {

struct LossScale {
  enum Op : int { Scale };

  struct Attributes {
    std::int32_t reserved;
  };
  static constexpr Field fields[] = {STRIATE_FIELD(Attributes, reserved)};

  // y may be x.
  static constexpr OpInfo ops[] = {
      {"scaleByLossScale", {optionalIn("x", Element::Compute), out("y", Element::Compute)}},
  };

  static void check(int, const Attributes&, const View* v) {
    requireShape(!v[0] || sameShape(v[0], v[1]), "y has the shape of x");
  }
};

}  // namespace striate::ops
