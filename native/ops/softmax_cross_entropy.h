// Softmax over the last axis, and the cross-entropy of its output with integer labels.
//   softmax:             y_j = exp(x_j - max) / sum_k exp(x_k - max)
//   softmaxCrossEntropy: losses_i = log sum_k exp(logits_ik - max_i) + max_i - logits_i,label
//   its gradient:        dx_ij = (softmax_ij - [j == label_i]) * control.lossScale / count
// logits and dx are [n, C], labels int32 [n], losses [n]. statistics [4] = sum of the losses in the
// order of the rows, rows that count, rows where the label ranks first, and among the first five. A
// row whose label is `ignoreLabel` has loss 0, counts nowhere and has gradient 0. A logit's rank is
// the number of larger ones plus that of equal ones before it; a row whose loss is NaN is wrong.
// Any other label outside [0, C) makes its row NaN.
#pragma once
#include "ops/op.h"

namespace striate::ops {

struct SoftmaxCrossEntropy {
  enum Op : int { Forward, Backward, Softmax };

  struct Attributes {
    std::int32_t ignoreLabel;
  };
  static constexpr Field fields[] = {STRIATE_FIELD(Attributes, ignoreLabel)};

  // y may be x, dx may be logits.
  static constexpr OpInfo ops[] = {
      {"softmaxCrossEntropy",
       {in("logits", Element::Compute), in("labels", Element::Int32),
        out("losses", Element::Compute), out("statistics", Element::Compute)}},
      {"softmaxCrossEntropyBackward",
       {in("logits", Element::Compute), in("labels", Element::Int32),
        in("statistics", Element::Compute), out("dx", Element::Compute)}},
      {"softmax", {in("x", Element::Compute), out("y", Element::Compute)}},
  };

  // Places within `statistics`.
  enum Statistic : int { LossSum, Count, Top1, Top5 };

  static void check(int op, const Attributes&, const View* v) {
    if (op == Softmax) {
      requireShape(v[0].rank >= 1, "x has an axis of classes");
      return requireShape(sameShape(v[0], v[1]), "y has the shape of x");
    }
    const View &logits = v[0], &labels = v[1];
    requireShape(logits.rank == 2, "logits are [n, classes]");
    requireShape(isVector(labels, logits.size[0]), "labels are a vector [n]");
    const View& statistics = op == Forward ? v[3] : v[2];
    requireShape(isVector(statistics, 4), "statistics are a vector [4]");
    if (op == Backward) return requireShape(sameShape(logits, v[3]), "dx has the shape of logits");
    requireShape(isVector(v[2], logits.size[0]), "losses are a vector [n]");
    requireOverwrite(v[2], "losses are overwritten");
    requireOverwrite(v[3], "statistics are overwritten");
  }
};

}  // namespace striate::ops
