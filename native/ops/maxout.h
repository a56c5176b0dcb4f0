// Maxout (Goodfellow et al. 2013): the channels of x are groups of `pieces` neighbours, and y has the
// largest of each: y[..., j] = max of x[..., j pieces + i] over i < pieces, as in pylearn2 and TensorFlow
// Addons. The first of equals wins; NaN passes on, the first of them. x [..., C], y [..., C / pieces].
// `switches` holds the winner's place i in its group, one byte; dense, of y's shape.
// Gradient: dx[..., j pieces + i] = dy[..., j] where i won, else 0.
#pragma once
#include "ops/op.h"

namespace striate::ops {

struct Maxout {
  enum Op : int { Forward, Backward };

  struct Attributes {
    std::int32_t pieces;
  };
  static constexpr Field fields[] = {STRIATE_FIELD(Attributes, pieces)};

  static constexpr OpInfo ops[] = {
      {"maxout", {in("x"), out("y"), optionalOut("switches", Element::Bytes)}},
      {"maxoutBackward", {in("dy"), in("switches", Element::Bytes), out("dx")}},
  };

  static constexpr std::int32_t kMostPieces = 256;

  static void check(int op, const Attributes& a, const View* v) {
    const View& x = op == Forward ? v[0] : v[2];
    const View& y = op == Forward ? v[1] : v[0];
    const View& switches = op == Forward ? v[2] : v[1];
    requireArgument(a.pieces >= 2 && a.pieces <= kMostPieces, "pieces lie between 2 and 256");
    requireShape(x.rank > 0 && x.rank == y.rank && x.pixels() == y.pixels(),
                 "x and y have the same pixels");
    for (int i = 0; i + 1 < x.rank; ++i)
      requireShape(x.size[i] == y.size[i], "x and y have the same pixels");
    requireShape(x.channels() == y.channels() * a.pieces, "x has `pieces` times the channels of y");
    if (!switches) return;
    requireShape(sameShape(switches, y), "switches have the shape of y");
    requireArgument(switches.dense(), "switches are dense");
    if (op == Backward) return;
    requireOverwrite(switches, "switches are overwritten");
    requireOverwrite(y, "y is overwritten where switches are written");
  }

  // Whether x takes the place of the best so far.
  template <class T>
  STRIATE_HD static bool wins(T x, T best) {
    return !(x <= best) && best == best;
  }
};

}  // namespace striate::ops
