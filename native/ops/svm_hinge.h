// The multiclass support vector machine's loss over integer labels, as Weston and Watkins (1999) and the
// CS231n notes have it: losses_i = sum over j != label of max(0, m_j), m_j = s_ij - s_i,label + margin;
// with `squared` of its square. The sum is not divided by the classes (PyTorch's MultiMarginLoss is).
//   its gradient: dx_ij = [m_j > 0] * scale (squared: 2 max(0, m_j) * scale), at the label minus the sum
//   of the others; scale = control.lossScale / count. At m_j = 0 it is 0.
// logits and dx are [n, C], labels int32 [n], losses [n], statistics [4] as ops/softmax_cross_entropy.h
// has them, `ignoreLabel` and labels outside [0, C) too.
#pragma once
#include "ops/op.h"

namespace striate::ops {

struct SvmHinge {
  enum Op : int { Forward, Backward };

  struct Attributes {
    std::int32_t ignoreLabel;
    float margin;
    std::int32_t squared;
  };
  static constexpr Field fields[] = {STRIATE_FIELD(Attributes, ignoreLabel),
                                     STRIATE_FIELD(Attributes, margin),
                                     STRIATE_FIELD(Attributes, squared)};

  // dx may be logits.
  static constexpr OpInfo ops[] = {
      {"svmHinge",
       {in("logits", Element::Compute), in("labels", Element::Int32),
        out("losses", Element::Compute), out("statistics", Element::Compute)}},
      {"svmHingeBackward",
       {in("logits", Element::Compute), in("labels", Element::Int32),
        in("statistics", Element::Compute), out("dx", Element::Compute)}},
  };

  static void check(int op, const Attributes& a, const View* v) {
    requireArgument(a.margin >= 0, "margin is 0 or more");
    requireArgument(a.squared == 0 || a.squared == 1, "squared is 0 or 1");
    const View &logits = v[0], &labels = v[1];
    requireShape(logits.rank == 2, "logits are [n, classes]");
    requireShape(isVector(labels, logits.size[0]), "labels are a vector [n]");
    requireShape(isVector(op == Forward ? v[3] : v[2], 4), "statistics are a vector [4]");
    if (op == Backward) return requireShape(sameShape(logits, v[3]), "dx has the shape of logits");
    requireShape(isVector(v[2], logits.size[0]), "losses are a vector [n]");
    requireOverwrite(v[2], "losses are overwritten");
    requireOverwrite(v[3], "statistics are overwritten");
  }

  // max(0, m) or its square; NaN stays.
  template <bool Squared, class T>
  STRIATE_HD static T loss(T m) {
    const T positive = m <= T(0) ? T(0) : m;
    return Squared ? positive * positive : positive;
  }
  template <bool Squared, class T>
  STRIATE_HD static T slope(T m) {
    if (m <= T(0)) return T(0);
    return Squared ? T(2) * m : m != m ? m : T(1);
  }
};

}  // namespace striate::ops
