// Two operands, elementwise: y = a + b, a - b, a * b or a / b. b has the shape of a, or is a scalar
// (rank 0) that stands for every element.
#pragma once
#include "ops/op.h"

namespace striate::ops {

struct Binary {
  enum Op : int { Forward };
  enum Kind : std::int32_t { Add, Sub, Mul, Div };

  struct Attributes {
    std::int32_t kind;
  };
  static constexpr Field fields[] = {STRIATE_FIELD(Attributes, kind)};

  // y may be a or b.
  static constexpr OpInfo ops[] = {{"binary", {in("a"), in("b"), out("y")}}};

  static void check(int, const Attributes& attributes, const View* v) {
    requireArgument(attributes.kind >= Add && attributes.kind <= Div, "kind lies between 0 and 3");
    requireShape(v[1].rank == 0 || sameShape(v[0], v[1]), "b has the shape of a or is a scalar");
    requireShape(sameShape(v[0], v[2]), "y has the shape of a");
  }

  template <int K, class T>
  STRIATE_HD static T value(T a, T b) {
    if constexpr (K == Add) return a + b;
    if constexpr (K == Sub) return a - b;
    if constexpr (K == Mul) return a * b;
    return a / b;
  }
};

}  // namespace striate::ops
