// A convolution whose filters are not shared: every output position has its own.
//
//   y[n,p,q,k] = b[p,q,k] + sum over r,s,c of x[n, h, v, c] * w[p,q,(r,s,c),k]
//   h = p*strideH - padTop + r,  v = q*strideW - padLeft + s
//
// x [N,H,W,C], w [P,Q,R*S*C,K] with rows in the order r, s, c, b [P,Q,K], y [N,P,Q,K]; what lies outside x
// reads as zero. P is (H + padTop + padBottom - sizeH)/strideH + 1 rounded down or up, Q likewise.
// Gradients: dx is a gather over the windows that cover a pixel; dw and db are sums over the images in
// their order.
#pragma once
#include "ops/conv2d.h"
#include "ops/window.h"

namespace striate::ops {

struct LocallyConnected2d {
  enum Op : int { Forward, BackwardData, BackwardFilter };

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
      {"locallyConnected2d", {in("x"), in("w"), optionalIn("b", Element::Compute), out("y")}},
      {"locallyConnected2dBackwardData", {in("dy"), in("w"), out("dx")}},
      {"locallyConnected2dBackwardFilter",
       {in("x"), in("dy"), optionalOut("dw", Element::Compute),
        optionalOut("db", Element::Compute)}},
  };

  // The views of a call by their part in the forward pass, whichever of them is a gradient.
  struct Roles {
    const View &x, &w;
    View b;
    const View& y;
  };
  static Roles roles(int op, const View* v) {
    if (op == Forward) return {v[0], v[1], v[2], v[3]};
    if (op == BackwardData) return {v[2], v[1], View{}, v[0]};
    return {v[0], v[2], v[3], v[1]};
  }

  static void check(int op, const Attributes& a, const View* v) {
    const auto [x, w, b, y] = roles(op, v);
    requireArgument(a.sizeH >= 1 && a.sizeW >= 1, "filters are at least one pixel");
    requireArgument(a.strideH >= 1 && a.strideW >= 1, "strides are at least 1");
    requireArgument(a.padTop >= 0 && a.padLeft >= 0 && a.padBottom >= 0 && a.padRight >= 0,
                    "padding is not negative");
    requireShape(x.rank == 4 && y.rank == 4, "x and y are [n, height, width, channels]");
    requireShape(x.size[0] == y.size[0], "x and y have the same number of images");
    for (int i = 0; i < 4; ++i)
      requireShape(x.size[i] >= 1 && y.size[i] >= 1, "every extent is at least 1");
    Conv2d::checkExtent("height", x.size[1], a.sizeH, a.strideH, a.padTop, a.padBottom, 1,
                        y.size[1]);
    Conv2d::checkExtent("width", x.size[2], a.sizeW, a.strideW, a.padLeft, a.padRight, 1,
                        y.size[2]);
    const std::int64_t depth = std::int64_t(a.sizeH) * a.sizeW * x.size[3];
    if (w)
      requireShape(w.rank == 4 && w.size[0] == y.size[1] && w.size[1] == y.size[2] &&
                       w.size[2] == depth && w.size[3] == y.size[3],
                   "w is [outHeight, outWidth, filterHeight * filterWidth * channels, filters]");
    if (b)
      requireShape(
          b.rank == 3 && b.size[0] == y.size[1] && b.size[1] == y.size[2] && b.size[2] == y.size[3],
          "the bias is [outHeight, outWidth, filters]");
  }
};

}  // namespace striate::ops
