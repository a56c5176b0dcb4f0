// By how much all gradients are scaled so that their common norm is at most `most`, PyTorch's rule
// (clip_grad_norm_): clip = [min(1, most / (norm + 1e-6)), infinity], which the optimizers read
// (ops/slab.h). The norm is that of the gradients without control.lossScale. The sum of squares runs in
// double over parts whose borders depend on the length alone, added up in their order.
#pragma once
#include "ops/slab.h"

namespace striate::ops {

struct ClipNorm {
  enum Op : int { Forward };

  struct Attributes {
    double most;
  };
  static constexpr Field fields[] = {STRIATE_FIELD(Attributes, most)};

  static constexpr OpInfo ops[] = {
      {"clipNorm",
       {in("gradients", Element::Compute), out("clip", Element::Compute),
        out("workspace", Element::Bytes)}},
  };

  // One double for each part.
  static constexpr std::int64_t kParts = 256;

  static void check(int, const Attributes& a, const View* v) {
    requireArgument(a.most > 0 && a.most < 1e30, "most is a number above 0");
    requireShape(v[0].rank == 1, "gradients are a vector");
    requireShape(isVector(v[1], 2), "clip is a vector [2]: factor, bound");
    requireOverwrite(v[1], "clip is overwritten");
    requireWorkspace(v[2], kParts * 8);
  }

  STRIATE_HD static double factor(double most, double squares, double lossScale) {
    const double factor = most / (root(squares) / lossScale + 1e-6);
    return factor > 1 ? 1 : factor;
  }
};

}  // namespace striate::ops
