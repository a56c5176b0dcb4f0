// y[..., c] = x[..., c] + b[c], in place where y lies over x. x, y [n, H, W, C], b [C]. The gradient by x is
// dy itself, that by b the sum over pixels that conv2dBackwardFilter gives alone.
#pragma once
#include "ops/op.h"

namespace striate::ops {

struct AddBias {
  enum Op : int { Forward };

  struct Attributes {
    std::int32_t reserved;
  };
  static constexpr Field fields[] = {STRIATE_FIELD(Attributes, reserved)};

  static constexpr OpInfo ops[] = {{"addBias", {in("x"), in("b", Element::Compute), out("y")}}};

  static void check(int, const Attributes&, const View* v) {
    requireShape(v[0].rank == 4, "x is a batch [n, height, width, channels]");
    requireShape(sameShape(v[0], v[2]), "y has the shape of x");
    requireShape(isVector(v[1], v[0].size[3]), "b is [channels]");
  }
};

}  // namespace striate::ops
