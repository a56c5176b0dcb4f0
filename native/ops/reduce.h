// reduce: y (rank 0) = sum of all x, or their mean. The sum runs over parts whose borders depend on
// the shape alone, added up in a fixed order.
// broadcast, its gradient: y_i = x (sum) or x / elements of y (mean), x of rank 0.
#pragma once
#include "ops/op.h"

namespace striate::ops {

struct Reduce {
  enum Op : int { Forward, Broadcast };
  enum Kind : std::int32_t { Sum, Mean };

  struct Attributes {
    std::int32_t kind;
  };
  static constexpr Field fields[] = {STRIATE_FIELD(Attributes, kind)};

  static constexpr OpInfo ops[] = {
      {"reduce", {in("x"), out("y"), out("workspace", Element::Bytes)}},
      {"broadcast", {in("x"), out("y")}},
  };

  // One double for each part.
  static constexpr std::int64_t kParts = 64;
  static constexpr std::int64_t kWorkspaceBytes = kParts * 8;

  static void check(int op, const Attributes& a, const View* v) {
    requireArgument(a.kind == Sum || a.kind == Mean, "kind is 0 (sum) or 1 (mean)");
    if (op == Broadcast) return requireShape(v[0].rank == 0, "x is a scalar");
    requireShape(v[1].rank == 0, "y is a scalar");
    requireWorkspace(v[2], kWorkspaceBytes);
  }
};

}  // namespace striate::ops
