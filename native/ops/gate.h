// Gates: y[n, h, w, c] = x[n, h, w, c] gate[n, 1, 1, c], one factor for each channel of each image (the
// scale of squeeze-and-excitation, Hu, Shen and Sun 2018). x, y [n, H, W, C].
// Gradients: dx = dy gate; dgate = sum of x dy over the pixels of the image, in a fixed order.
#pragma once
#include "ops/op.h"

namespace striate::ops {

struct Gate {
  enum Op : int { Forward, Backward };

  struct Attributes {
    std::int32_t reserved;
  };
  static constexpr Field fields[] = {STRIATE_FIELD(Attributes, reserved)};

  // y may be x, dx may be dy: the sum goes first.
  static constexpr OpInfo ops[] = {
      {"gate", {in("x"), in("gate"), out("y")}},
      {"gateBackward", {in("x"), in("gate"), in("dy"), optionalOut("dx"), optionalOut("dgate")}},
  };

  static void check(int op, const Attributes&, const View* v) {
    const View &x = v[0], &gate = v[1];
    requireShape(x.rank == 4, "x is [n, height, width, channels]");
    requireShape(gate.rank == 4 && gate.size[0] == x.size[0] && gate.size[1] == 1 &&
                     gate.size[2] == 1 && gate.size[3] == x.size[3],
                 "gate is [n, 1, 1, channels]");
    if (op == Forward) return requireShape(sameShape(x, v[2]), "y has the shape of x");
    const View &dy = v[2], &dx = v[3], &dgate = v[4];
    requireShape(sameShape(x, dy), "dy has the shape of x");
    requireArgument(bool(dx) || bool(dgate), "dx or dgate is asked for");
    if (dx) requireShape(sameShape(x, dx), "dx has the shape of x");
    if (dgate) requireShape(sameShape(gate, dgate), "dgate has the shape of gate");
  }
};

}  // namespace striate::ops
