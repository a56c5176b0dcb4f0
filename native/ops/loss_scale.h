// The loss scale of float16 training (Micikevicius et al., ICLR 2018): gradients begin multiplied by
// control.lossScale, so that small ones do not become zero in 16 bits, and are divided by it before the
// optimizer sees them.
//   scaleByLossScale: y = x * lossScale; y = lossScale without x.
//   unscaleGradients: gradients /= lossScale, in place; clears control.commit when an element is NaN or
//   infinite, as checkFinite does.
#pragma once
#include "ops/op.h"

namespace striate::ops {

struct LossScale {
  enum Op : int { Scale, Unscale };

  struct Attributes {
    std::int32_t reserved;
  };
  static constexpr Field fields[] = {STRIATE_FIELD(Attributes, reserved)};

  // y may be x.
  static constexpr OpInfo ops[] = {
      {"scaleByLossScale", {optionalIn("x", Element::Compute), out("y", Element::Compute)}},
      {"unscaleGradients", {out("gradients", Element::Compute)}, true},
  };

  static void check(int op, const Attributes&, const View* v) {
    if (op == Scale) {
      requireShape(!v[0] || sameShape(v[0], v[1]), "y has the shape of x");
      return;
    }
    requireShape(v[0].rank == 1, "gradients are a vector");
    requireArgument(v[0].accumulates(), "gradients are changed: access is Accumulate");
  }

  // What gradients are multiplied by. Scales are powers of two unless the user asks for another: then
  // this rounds once.
  template <class T>
  STRIATE_HD static T inverse(const Control& control) {
    return T(1.0 / control.lossScale);
  }
  // 0 for a finite x, NaN otherwise: sums of it show whether any was not finite.
  template <class T>
  STRIATE_HD static T residue(T x) {
    return x * T(0);
  }
};

}  // namespace striate::ops
