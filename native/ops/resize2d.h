// A volume at another height and width, as PyTorch's interpolate.
//
// Nearest: output p takes row floor(p H / P). Bilinear: the two rows around (p + 1/2) H / P - 1/2, not
// before the first; aligned: around p (H - 1)/(P - 1), so that the corners meet. Columns likewise. Positions
// are fractions of whole numbers, so they are exact. x [n, H, W, C], y [n, P, Q, C].
// Gradient: dx is a gather over the outputs that took a pixel, in their order.
#pragma once
#include "ops/op.h"

namespace striate::ops {

struct Resize2d {
  enum Op : int { Forward, Backward };
  enum Mode : std::int32_t { Nearest, Bilinear, Aligned };

  struct Attributes {
    std::int32_t mode;
  };
  static constexpr Field fields[] = {STRIATE_FIELD(Attributes, mode)};

  static constexpr OpInfo ops[] = {
      {"resize2d", {in("x"), out("y")}},
      {"resize2dBackward", {in("dy"), out("dx")}},
  };

  // Row `lower` counts 1 - fraction, row `upper` counts fraction.
  template <class Index, class T>
  struct Tap {
    Index lower, upper;
    T fraction;

    STRIATE_HD T weight(Index h) const {
      return (lower == h ? T(1) - fraction : T(0)) + (upper == h ? fraction : T(0));
    }
  };

  // One axis. `Index` is std::int64_t on the host; kernels take 32 bits.
  template <class Index>
  struct Axis {
    Index extent, outputs;
    std::int32_t mode;

    // Output p lies at row numerator(p) / denominator().
    STRIATE_HD Index denominator() const {
      if (mode == Nearest) return outputs;
      if (mode == Bilinear) return 2 * outputs;
      return outputs > 1 ? outputs - 1 : 1;
    }
    STRIATE_HD Index numerator(Index p) const {
      if (mode == Nearest) return p * extent;
      if (mode == Aligned) return outputs > 1 ? p * (extent - 1) : 0;
      const Index position = (2 * p + 1) * extent - outputs;
      return position > 0 ? position : 0;
    }
    STRIATE_HD Index nearest(Index p) const { return numerator(p) / denominator(); }
    template <class T>
    STRIATE_HD Tap<Index, T> tap(Index p) const {
      const Index position = numerator(p), unit = denominator(), lower = position / unit;
      return {lower, lower + 1 < extent ? lower + 1 : lower, T(position - lower * unit) / T(unit)};
    }

    // The first output at row k or beyond; `outputs` where there is none.
    STRIATE_HD Index reach(Index k) const {
      if (k <= 0) return 0;
      Index p;
      if (mode == Nearest)
        p = (k * outputs + extent - 1) / extent;
      else if (mode == Bilinear)
        p = ((2 * k + 1) * outputs - extent + 2 * extent - 1) / (2 * extent);
      else if (extent == 1 || outputs == 1)
        p = outputs;
      else
        p = (k * (outputs - 1) + extent - 2) / (extent - 1);
      return p < outputs ? p : outputs;
    }
    // Outputs [firstOutput, lastOutput) may take row h.
    STRIATE_HD Index firstOutput(Index h) const { return reach(mode == Nearest ? h : h - 1); }
    STRIATE_HD Index lastOutput(Index h) const { return h + 1 < extent ? reach(h + 1) : outputs; }
  };

  template <class Index>
  static Axis<Index> rows(const Attributes& a, const View& x, const View& y) {
    return {static_cast<Index>(x.size[1]), static_cast<Index>(y.size[1]), a.mode};
  }
  template <class Index>
  static Axis<Index> columns(const Attributes& a, const View& x, const View& y) {
    return {static_cast<Index>(x.size[2]), static_cast<Index>(y.size[2]), a.mode};
  }

  static void check(int op, const Attributes& a, const View* v) {
    const View &x = v[op == Forward ? 0 : 1], &y = v[op == Forward ? 1 : 0];
    requireArgument(a.mode >= Nearest && a.mode <= Aligned,
                    "mode is 0 (nearest), 1 (bilinear) or 2 (bilinear, corners aligned)");
    requireShape(x.rank == 4 && y.rank == 4, "x and y are [n, height, width, channels]");
    requireShape(x.size[0] == y.size[0] && x.size[3] == y.size[3],
                 "x and y have the same images and channels");
    for (int i = 1; i < 3; ++i) {
      requireShape(x.size[i] >= 1 && y.size[i] >= 1, "every extent is at least 1");
      // Kernels place an output with 32 bits.
      requireShape(x.size[i] < (1 << 29) && y.size[i] < (1 << 29) / x.size[i],
                   "x's and y's heights, multiplied, are below 2^29; widths likewise");
    }
  }
};

}  // namespace striate::ops
