// L2-norm pooling: y[n, p, q, c] = sqrt(sum of x^2 over window (p, q)). Padding adds nothing.
// x [n, H, W, C], y [n, P, Q, C]; see ops/window.h for P and Q.
// Gradient: dx[h, w] = x[h, w] * sum over the windows that cover (h, w) of dy / y, a gather. A window of
// zeros has no gradient there (the norm has a kink); it counts as 0.
#pragma once
#include "ops/window.h"

namespace striate::ops {

struct L2Pool2d {
  enum Op : int { Forward, Backward };

  struct Attributes {
    std::int32_t sizeH, sizeW, strideH, strideW;
    std::int32_t padTop, padLeft, padBottom, padRight;
  };
  static constexpr Field fields[] = {
      STRIATE_FIELD(Attributes, sizeH),     STRIATE_FIELD(Attributes, sizeW),
      STRIATE_FIELD(Attributes, strideH),   STRIATE_FIELD(Attributes, strideW),
      STRIATE_FIELD(Attributes, padTop),    STRIATE_FIELD(Attributes, padLeft),
      STRIATE_FIELD(Attributes, padBottom), STRIATE_FIELD(Attributes, padRight),
  };

  static constexpr OpInfo ops[] = {
      {"l2Pool2d", {in("x"), out("y")}},
      {"l2Pool2dBackward", {in("x"), in("y"), in("dy"), out("dx")}},
  };

  static void check(int op, const Attributes& a, const View* v) {
    checkPooling(a, v[0], v[1]);
    if (op == Forward) return;
    requireShape(sameShape(v[1], v[2]), "dy has the shape of y");
    requireShape(sameShape(v[0], v[3]), "dx has the shape of x");
  }

  // What one window passes on for each x in it; NaN stays.
  template <class T>
  STRIATE_HD static T share(T dy, T y) {
    return y == T(0) ? T(0) : dy / y;
  }
};

}  // namespace striate::ops
