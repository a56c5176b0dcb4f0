// One operand, elementwise: y = -x, x^2, sqrt x, exp x, log x or |x|.
// Gradients: -dy, 2 x dy, dy / (2 y), dy * y, dy / x, dy * sign x (0 at 0).
#pragma once
#include "ops/op.h"

namespace striate::ops {

struct Unary {
  enum Op : int { Forward, Backward };
  enum Kind : std::int32_t { Neg, Square, Sqrt, Exp, Log, Abs };

  struct Attributes {
    std::int32_t kind;
  };
  static constexpr Field fields[] = {STRIATE_FIELD(Attributes, kind)};

  // y may be x, dx may be dy.
  static constexpr OpInfo ops[] = {
      {"unary", {in("x"), out("y")}},
      {"unaryBackward", {in("x"), in("y"), in("dy"), out("dx")}},
  };

  static void check(int op, const Attributes& a, const View* v) {
    requireArgument(a.kind >= Neg && a.kind <= Abs, "kind lies between 0 and 5");
    requireShape(sameShape(v[0], v[1]), "y has the shape of x");
    if (op == Forward) return;
    requireShape(sameShape(v[0], v[2]), "dy has the shape of x");
    requireShape(sameShape(v[0], v[3]), "dx has the shape of x");
  }

  template <int K, class T>
  STRIATE_HD static T gradient(T x, T y, T dy) {
    if constexpr (K == Neg) return -dy;
    if constexpr (K == Square) return T(2) * x * dy;
    if constexpr (K == Sqrt) return dy / (T(2) * y);
    if constexpr (K == Exp) return dy * y;
    if constexpr (K == Log) return dy / x;
    const T sign = x > T(0) ? T(1) : x < T(0) ? T(-1) : x;
    return dy * sign;
  }
};

}  // namespace striate::ops
