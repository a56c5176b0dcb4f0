// copy: y = alpha * x + beta, elementwise; x and y have the same shape and any pitch, so that a
// channel range is gathered or spread. x is stored as y is, or one of them is float32 and the other has
// 16 bits: then copy converts. fill: y = beta.
#pragma once
#include "ops/op.h"

namespace striate::ops {

struct Copy {
  enum Op : int { Forward, Fill };

  struct Attributes {
    float alpha;
    float beta;
  };
  static constexpr Field fields[] = {STRIATE_FIELD(Attributes, alpha),
                                     STRIATE_FIELD(Attributes, beta)};

  // y may be x.
  static constexpr OpInfo ops[] = {
      {"copy", {in("x", Element::Other), out("y")}},
      {"fill", {out("y")}},
  };

  static void check(int op, const Attributes&, const View* v) {
    if (op == Fill) return;
    const DType x = v[0].dtype, y = v[1].dtype;
    requireArgument(
        x == y || (isHalf(x) && y == DType::Float32) || (x == DType::Float32 && isHalf(y)),
        "x and y are of one float type, or one is float32 and one has 16 bits");
    requireShape(sameShape(v[0], v[1]), "y has the shape of x");
  }

  template <class T>
  STRIATE_HD static T value(T x, T alpha, T beta) {
    return alpha * x + beta;
  }
};

}  // namespace striate::ops
