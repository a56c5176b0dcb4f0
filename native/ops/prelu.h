// Parametric rectifier (He et al. 2015): y = x where x > 0, w x elsewhere. x, y [n, ..., C]; w holds one
// slope a channel, [C], or one for all, [1]. NaN passes on.
// Gradients: dx = dy where x > 0, w dy elsewhere; dw = sum of x dy over the elements of the slope that are
// not above 0. The sum runs over parts of the pixels in a fixed order.
#pragma once
#include "ops/op.h"

namespace striate::ops {

struct Prelu {
  enum Op : int { Forward, Backward };

  struct Attributes {
    std::int32_t reserved;
  };
  static constexpr Field fields[] = {STRIATE_FIELD(Attributes, reserved)};

  // y may be x, dx may be dy.
  static constexpr OpInfo ops[] = {
      {"prelu", {in("x"), in("w", Element::Compute), out("y")}},
      {"preluBackward",
       {in("x"), in("w", Element::Compute), in("dy"), optionalOut("dx"),
        optionalOut("dw", Element::Compute), optionalOut("workspace", Element::Bytes)}},
  };

  // Parts into which the pixels are cut for the sum; each leaves a double a channel.
  static constexpr std::int64_t kParts = 128;
  static std::int64_t workspaceBytes(std::int64_t channels) {
    return kParts * channels * std::int64_t(sizeof(double));
  }

  static void check(int op, const Attributes&, const View* v) {
    const View &x = v[0], &w = v[1];
    requireShape(x.rank > 1, "x is [n, ..., channels]");
    requireShape(isVector(w, x.channels()) || isVector(w, 1), "w is [channels] or [1]");
    if (op == Forward) return requireShape(sameShape(x, v[2]), "y has the shape of x");
    const View &dy = v[2], &dx = v[3], &dw = v[4];
    requireShape(sameShape(x, dy), "dy has the shape of x");
    requireArgument(bool(dx) || bool(dw), "dx or dw is asked for");
    if (dx) requireShape(sameShape(x, dx), "dx has the shape of x");
    if (!dw) return;
    requireShape(sameShape(w, dw), "dw has the shape of w");
    requireArgument(bool(v[5]), "workspace is given where dw is");
    requireWorkspace(v[5], workspaceBytes(x.channels()));
  }

  template <class T>
  STRIATE_HD static T value(T x, T w) {
    return x > T(0) ? x : w * x;
  }
  template <class T>
  STRIATE_HD static T gradient(T x, T w, T dy) {
    return x > T(0) ? dy : w * dy;
  }
  // What an element adds to dw.
  template <class T>
  STRIATE_HD static T share(T x, T dy) {
    return x > T(0) ? T(0) : x * dy;
  }
};

}  // namespace striate::ops
