// Maximum pooling: y[n, p, q, c] = the largest x of window (p, q). The first of equals wins; NaN
// passes on, the first of them. x [n, H, W, C], y [n, P, Q, C]; see ops/window.h for P and Q.
// Padding never wins. `switches` holds the winner's index within its window, r * sizeW + s: one
// byte for windows of up to 256 elements, int32 above; dense, of y's shape.
// Gradient: dx[h, w] = sum of dy over the windows that (h, w) won, a gather.
#pragma once
#include "ops/window.h"

namespace striate::ops {

struct MaxPool2d {
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
      {"maxPool2d", {in("x"), out("y"), optionalOut("switches", Element::Other)}},
      {"maxPool2dBackward", {in("dy"), in("switches", Element::Other), out("dx")}},
  };

  static constexpr std::int64_t kByteWindow = 256;

  STRIATE_HD static DType switchType(const Attributes& a) {
    return std::int64_t(a.sizeH) * a.sizeW <= kByteWindow ? DType::UInt8 : DType::Int32;
  }

  static void check(int op, const Attributes& a, const View* v) {
    const View& x = op == Forward ? v[0] : v[2];
    const View& y = op == Forward ? v[1] : v[0];
    const View& switches = op == Forward ? v[2] : v[1];
    checkPooling(a, x, y);
    requireArgument(std::int64_t(a.sizeH) * a.sizeW <= INT32_MAX,
                    "a window has fewer than 2^31 elements");
    if (op == Forward && switches)
      requireArgument(!y.accumulates(), "y is overwritten where switches are written");
    if (!switches) return;
    requireShape(sameShape(switches, y), "switches have the shape of the pooled volume");
    requireArgument(switches.dtype == switchType(a),
                    "switches are uint8 for windows of up to 256 elements, int32 above");
    requireArgument(switches.dense(), "switches are dense");
    if (op == Forward) requireOverwrite(switches, "switches are overwritten");
  }

  // Whether x takes the place of the best so far.
  template <class T>
  STRIATE_HD static bool wins(T x, T best) {
    return !(x <= best) && best == best;
  }
};

}  // namespace striate::ops
