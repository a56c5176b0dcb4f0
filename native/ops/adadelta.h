// Adadelta (Zeiler, arXiv:1212.5701) over a slab of parameters, PyTorch's rule:
//   g = gradient + weightDecay * p
//   square = rho * square + (1 - rho) g^2
//   step = sqrt(delta + epsilon) / sqrt(square + epsilon) * g
//   delta = rho * delta + (1 - rho) step^2
//   p = p - rate * step
// where rate is control.learningRate * rateScale. Slabs and segments: ops/slab.h.
#pragma once
#include "ops/slab.h"

namespace striate::ops {

struct Adadelta {
  enum Op : int { Forward };

  struct Attributes {
    double rho;
    double epsilon;
  };
  static constexpr Field fields[] = {STRIATE_FIELD(Attributes, rho),
                                     STRIATE_FIELD(Attributes, epsilon)};

  static constexpr OpInfo ops[] = {
      {"adadelta",
       {in("gradients", Element::Compute), in("segments", Element::Int32),
        optionalIn("clip", Element::Compute), out("parameters", Element::Compute),
        out("square", Element::Compute), out("delta", Element::Compute)}},
  };

  static void check(int, const Attributes& a, const View* v) {
    requireShare(a.rho, "rho is at least 0 and less than 1");
    requireEpsilon(a.epsilon);
    checkSlabs(v, 2);
  }

  template <class T>
  struct Rule {
    static constexpr int kSlots = 2;
    static constexpr bool kPowers = false;
    T rho, rest, epsilon;

    STRIATE_HD static Rule make(const Attributes& a, const Control&) {
      return {T(a.rho), T(1 - a.rho), T(a.epsilon)};
    }
    STRIATE_HD void operator()(T g, T& p, T* slots, T rate, T decay) const {
      g += decay * p;
      slots[0] = rho * slots[0] + rest * g * g;
      const T step = root(slots[1] + epsilon) / root(slots[0] + epsilon) * g;
      slots[1] = rho * slots[1] + rest * step * step;
      p -= rate * step;
    }
  };

  template <class T, class F>
  STRIATE_HD static void forRule(const Attributes&, const View*, F&& f) {
    f(Rule<T>());
  }
};

}  // namespace striate::ops
