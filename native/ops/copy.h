// copy: y = alpha * x + beta, elementwise; x and y have the same shape and any pitch, so that a
// channel range is gathered or spread. fill: y = beta.
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
      {"copy", {in("x"), out("y")}},
      {"fill", {out("y")}},
  };

  static void check(int op, const Attributes&, const View* v) {
    if (op == Forward) requireShape(sameShape(v[0], v[1]), "y has the shape of x");
  }

  template <class T>
  STRIATE_HD static T value(T x, T alpha, T beta) {
    return alpha * x + beta;
  }
};

}  // namespace striate::ops
