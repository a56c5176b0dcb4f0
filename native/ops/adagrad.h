// Adagrad (Duchi et al., JMLR 2011) over a slab of parameters, PyTorch's rule:
//   g = gradient + weightDecay * p
//   sum = sum + g^2                (at control.step 0 `initialAccumulator` is added first)
//   p = p - rate / (1 + control.step * rateDecay) * g / (sqrt(sum) + epsilon)
// where rate is control.learningRate * rateScale. Slabs and segments: ops/slab.h.
#pragma once
#include "ops/slab.h"

namespace striate::ops {

struct Adagrad {
  enum Op : int { Forward };

  struct Attributes {
    double rateDecay;
    double initialAccumulator;
    double epsilon;
  };
  static constexpr Field fields[] = {STRIATE_FIELD(Attributes, rateDecay),
                                     STRIATE_FIELD(Attributes, initialAccumulator),
                                     STRIATE_FIELD(Attributes, epsilon)};

  static constexpr OpInfo ops[] = {
      {"adagrad",
       {in("gradients", Element::Compute), in("segments", Element::Int32),
        optionalIn("clip", Element::Compute), out("parameters", Element::Compute),
        out("sum", Element::Compute)}},
  };

  static void check(int, const Attributes& a, const View* v) {
    requireArgument(a.rateDecay >= 0 && a.rateDecay < 1e30, "rateDecay is a number, not negative");
    requireArgument(a.initialAccumulator >= 0 && a.initialAccumulator < 1e30,
                    "initialAccumulator is a number, not negative");
    requireEpsilon(a.epsilon);
    checkSlabs(v, 1);
  }

  template <class T>
  struct Rule {
    static constexpr int kSlots = 1;
    static constexpr bool kPowers = true;
    T rateFactor, start, epsilon;

    STRIATE_HD static Rule make(const Attributes& a, const Control& control) {
      return {T(1 / (1 + double(control.step) * a.rateDecay)),
              T(control.step == 0 ? a.initialAccumulator : 0), T(a.epsilon)};
    }
    STRIATE_HD void operator()(T g, T& p, T* slots, T rate, T decay) const {
      g += decay * p;
      slots[0] += start + g * g;
      p -= rate * rateFactor * g / (root(slots[0]) + epsilon);
    }
  };

  template <class T, class F>
  STRIATE_HD static void forRule(const Attributes&, const View*, F&& f) {
    f(Rule<T>());
  }
};

}  // namespace striate::ops
