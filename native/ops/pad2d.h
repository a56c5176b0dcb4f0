// A volume with rows and columns around it, or without some of its own.
//
//   y[n, p, q, c] = x[n, h, v, c],  h = p - padTop, v = q - padLeft
//
// and beyond the volume: `value` (constant), the volume mirrored at its first and last row, which are not
// repeated (reflect), or its first and last row (replicate), as in PyTorch. A negative padding, in mode
// constant alone, takes rows away. x [n, H, W, C], y [n, P, Q, C], P = H + padTop + padBottom.
// Gradient: dx is a gather over the outputs that took a pixel.
#pragma once
#include "ops/op.h"

namespace striate::ops {

struct Pad2d {
  enum Op : int { Forward, Backward };
  enum Mode : std::int32_t { Constant, Reflect, Replicate };

  struct Attributes {
    std::int32_t padTop, padLeft, padBottom, padRight;
    std::int32_t mode;
    float value;
  };
  static constexpr Field fields[] = {
      STRIATE_FIELD(Attributes, padTop),    STRIATE_FIELD(Attributes, padLeft),
      STRIATE_FIELD(Attributes, padBottom), STRIATE_FIELD(Attributes, padRight),
      STRIATE_FIELD(Attributes, mode),      STRIATE_FIELD(Attributes, value),
  };

  static constexpr OpInfo ops[] = {
      {"pad2d", {in("x"), out("y")}},
      {"pad2dBackward", {in("dy"), out("dx")}},
  };

  template <class Index>
  struct Range {
    Index first, last;  // [first, last); empty where last <= first
  };

  // One axis. `Index` is std::int64_t on the host; kernels take 32 bits.
  template <class Index>
  struct Axis {
    Index extent, outputs, before;
    std::int32_t mode;

    // The row that output p takes; -1: none, it is `value`.
    STRIATE_HD Index source(Index p) const {
      const Index h = p - before;
      if (h >= 0 && h < extent) return h;
      if (mode == Constant) return -1;
      if (mode == Replicate) return h < 0 ? 0 : extent - 1;
      return h < 0 ? -h : 2 * (extent - 1) - h;
    }
    // The outputs that take row h: those before the volume (part 0), within it (1), and behind it (2).
    STRIATE_HD Range<Index> targets(Index h, int part) const {
      const Index own = h + before;
      if (part == 1) return {own, own >= 0 && own < outputs ? own + 1 : own};
      if (mode == Constant) return {0, 0};
      if (mode == Replicate) {
        if (part == 0) return {0, h == 0 ? before : 0};
        return {before + extent, h == extent - 1 ? outputs : 0};
      }
      const Index mirrored = part == 0 ? before - h : before + 2 * (extent - 1) - h;
      const bool there = part == 0 ? h > 0 && mirrored >= 0 : h < extent - 1 && mirrored < outputs;
      return {mirrored, there ? mirrored + 1 : mirrored};
    }
  };

  template <class Index>
  static Axis<Index> rows(const Attributes& a, const View& x, const View& y) {
    return {static_cast<Index>(x.size[1]), static_cast<Index>(y.size[1]), a.padTop, a.mode};
  }
  template <class Index>
  static Axis<Index> columns(const Attributes& a, const View& x, const View& y) {
    return {static_cast<Index>(x.size[2]), static_cast<Index>(y.size[2]), a.padLeft, a.mode};
  }

  static void check(int op, const Attributes& a, const View* v) {
    const View &x = v[op == Forward ? 0 : 1], &y = v[op == Forward ? 1 : 0];
    requireArgument(a.mode >= Constant && a.mode <= Replicate,
                    "mode is 0 (constant), 1 (reflect) or 2 (replicate)");
    requireShape(x.rank == 4 && y.rank == 4, "x and y are [n, height, width, channels]");
    requireShape(x.size[0] == y.size[0] && x.size[3] == y.size[3],
                 "x and y have the same images and channels");
    for (int i = 1; i < 3; ++i) {
      const std::int64_t before = i == 1 ? a.padTop : a.padLeft,
                         after = i == 1 ? a.padBottom : a.padRight;
      requireShape(y.size[i] >= 1 && y.size[i] == x.size[i] + before + after,
                   "y's height and width are those of x with the padding");
      requireShape(x.size[i] < INT32_MAX / 4 && y.size[i] < INT32_MAX / 4,
                   "height and width are below 2^29");
      requireArgument(a.mode == Constant || (before >= 0 && after >= 0),
                      "padding is negative in mode constant alone");
      requireShape(a.mode != Reflect || (before < x.size[i] && after < x.size[i]),
                   "reflected padding is smaller than the volume");
    }
  }
};

}  // namespace striate::ops
