// Cross-entropy of a softmax over the last axis with weighted classes and targets that are distributions:
//   losses_i = - sum_c w_c t_ic log softmax(logits_i)_c,   t_ic = (1 - labelSmoothing) u_ic + labelSmoothing / C
// weightedCrossEntropy: u_ic = [c == label_i]; what the sum of the losses is divided by is the sum of
// w_label over the rows that count. softCrossEntropy: u is given, [n, C]; the divisor is n. Both as
// PyTorch's CrossEntropyLoss. Without `weights` [C] every w is 1.
//   the gradient: dx_ij = (softmax_ij sum_c w_c t_ic - w_j t_ij) * control.lossScale / divisor
// logits and dx are [n, C], labels int32 [n], losses [n]. statistics [5] are the four of
// ops/softmax_cross_entropy.h (`ignoreLabel` and labels outside [0, C) as there), and the divisor. The
// label of a given distribution is its largest entry, the first of equals.
#pragma once
#include "ops/op.h"

namespace striate::ops {

struct WeightedCrossEntropy {
  enum Op : int { Forward, Backward, SoftForward, SoftBackward };

  struct Attributes {
    std::int32_t ignoreLabel;
    float labelSmoothing;
  };
  static constexpr Field fields[] = {STRIATE_FIELD(Attributes, ignoreLabel),
                                     STRIATE_FIELD(Attributes, labelSmoothing)};

  // dx may be logits.
  static constexpr OpInfo ops[] = {
      {"weightedCrossEntropy",
       {in("logits", Element::Compute), in("labels", Element::Int32),
        optionalIn("weights", Element::Compute), out("losses", Element::Compute),
        out("statistics", Element::Compute)}},
      {"weightedCrossEntropyBackward",
       {in("logits", Element::Compute), in("labels", Element::Int32),
        optionalIn("weights", Element::Compute), in("statistics", Element::Compute),
        out("dx", Element::Compute)}},
      {"softCrossEntropy",
       {in("logits", Element::Compute), in("target", Element::Compute),
        optionalIn("weights", Element::Compute), out("losses", Element::Compute),
        out("statistics", Element::Compute)}},
      {"softCrossEntropyBackward",
       {in("logits", Element::Compute), in("target", Element::Compute),
        optionalIn("weights", Element::Compute), in("statistics", Element::Compute),
        out("dx", Element::Compute)}},
  };

  // The place of the divisor within `statistics`.
  static constexpr int kDivisor = 4;

  static void check(int op, const Attributes& a, const View* v) {
    requireArgument(a.labelSmoothing >= 0 && a.labelSmoothing <= 1,
                    "labelSmoothing lies between 0 and 1");
    const View& logits = v[0];
    requireShape(logits.rank == 2, "logits are [n, classes]");
    if (op == Forward || op == Backward)
      requireShape(isVector(v[1], logits.size[0]), "labels are a vector [n]");
    else
      requireShape(sameShape(v[1], logits), "target has the shape of logits");
    if (v[2]) requireShape(isVector(v[2], logits.size[1]), "weights are a vector [classes]");
    const bool forward = op == Forward || op == SoftForward;
    requireShape(isVector(v[forward ? 4 : 3], 5), "statistics are a vector [5]");
    if (!forward) return requireShape(sameShape(logits, v[4]), "dx has the shape of logits");
    requireShape(isVector(v[3], logits.size[0]), "losses are a vector [n]");
    requireOverwrite(v[3], "losses are overwritten");
    requireOverwrite(v[4], "statistics are overwritten");
  }
};

}  // namespace striate::ops
