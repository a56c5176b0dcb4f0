// Average pooling: y[n, p, q, c] = sum of x over window (p, q) / divisor(p, q).
// The divisor is the part of the window inside the padded volume (countPadding 1; PyTorch's and
// Caffe's rule) or inside the volume (0). x [n, H, W, C], y [n, P, Q, C]; see ops/window.h for P
// and Q. Gradient: dx[h, w] = sum over the windows that cover (h, w) of dy / divisor, a gather.
#pragma once
#include "ops/window.h"

namespace striate::ops {

struct AvgPool2d {
  enum Op : int { Forward, Backward };

  struct Attributes {
    std::int32_t sizeH, sizeW, strideH, strideW;
    std::int32_t padTop, padLeft, padBottom, padRight;
    std::int32_t countPadding;
  };
  static constexpr Field fields[] = {
      STRIATE_FIELD(Attributes, sizeH),        STRIATE_FIELD(Attributes, sizeW),
      STRIATE_FIELD(Attributes, strideH),      STRIATE_FIELD(Attributes, strideW),
      STRIATE_FIELD(Attributes, padTop),       STRIATE_FIELD(Attributes, padLeft),
      STRIATE_FIELD(Attributes, padBottom),    STRIATE_FIELD(Attributes, padRight),
      STRIATE_FIELD(Attributes, countPadding),
  };

  static constexpr OpInfo ops[] = {
      {"avgPool2d", {in("x"), out("y")}},
      {"avgPool2dBackward", {in("dy"), out("dx")}},
  };

  static void check(int op, const Attributes& a, const View* v) {
    if (op == Forward)
      checkPooling(a, v[0], v[1]);
    else
      checkPooling(a, v[1], v[0]);
  }

  // Rows (or columns) of window p that count; the divisor is the product of both.
  template <class Index>
  STRIATE_HD static Index counted(const Attributes& a, const BasicWindowAxis<Index>& axis,
                                  Index p) {
    return a.countPadding ? axis.paddedRows(p) : axis.last(p) - axis.first(p);
  }
  template <class Index>
  STRIATE_HD static std::int64_t divisor(const Attributes& a, const BasicWindowAxis<Index>& rows,
                                         const BasicWindowAxis<Index>& columns, Index p, Index q) {
    return std::int64_t(counted(a, rows, p)) * counted(a, columns, q);
  }
};

}  // namespace striate::ops
