// Rectifier: y = max(0, x), elementwise. NaN passes on.
// Gradient: dx = dy where y > 0, else 0 (PyTorch and Caffe: zero at zero).
#pragma once
#include "ops/op.h"

namespace striate::ops {

struct Relu {
  enum Op : int { Forward, Backward };

  struct Attributes {
    std::int32_t reserved;
  };
  static constexpr Field fields[] = {STRIATE_FIELD(Attributes, reserved)};

  // x and y, dy and dx may be the same buffer.
  static constexpr OpInfo ops[] = {
      {"relu", {in("x"), out("y")}},
      {"reluBackward", {in("y"), in("dy"), out("dx")}},
  };

  static void check(int op, const Attributes&, const View* v) {
    requireShape(sameShape(v[0], v[1]),
                 op == Forward ? "y has the shape of x" : "dy has the shape of y");
    if (op == Backward) requireShape(sameShape(v[1], v[2]), "dx has the shape of dy");
  }

  // The condition is written so that NaN is kept.
  template <class T>
  STRIATE_HD static T value(T x) {
    return x < T(0) ? T(0) : x;
  }
  template <class T>
  STRIATE_HD static T slope(T y) {
    return y > T(0) ? T(1) : T(0);
  }
};

}  // namespace striate::ops
