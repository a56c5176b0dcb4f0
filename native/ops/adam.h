// Adam (Kingma and Ba, ICLR 2015) over a slab of parameters, PyTorch's rule. With t = control.step + 1:
//   g = gradient + weightDecay * p             (decoupled: g = gradient, p = p (1 - rate * weightDecay),
//                                               AdamW: Loshchilov and Hutter, ICLR 2019)
//   average = beta1 * average + (1 - beta1) g
//   square = beta2 * square + (1 - beta2) g^2
//   maximum = max(maximum, square)             (AMSGrad: Reddi et al., ICLR 2018; else it is `square`)
//   p = p - rate / (1 - beta1^t) * average / (sqrt(maximum / (1 - beta2^t)) + epsilon)
// where rate is control.learningRate * rateScale. Slabs and segments: ops/slab.h.
#pragma once
#include "ops/slab.h"

namespace striate::ops {

struct Adam {
  enum Op : int { Forward };

  struct Attributes {
    double beta1;
    double beta2;
    double epsilon;
    std::int32_t decoupled;
  };
  static constexpr Field fields[] = {
      STRIATE_FIELD(Attributes, beta1), STRIATE_FIELD(Attributes, beta2),
      STRIATE_FIELD(Attributes, epsilon), STRIATE_FIELD(Attributes, decoupled)};

  static constexpr OpInfo ops[] = {
      {"adam",
       {in("gradients", Element::Compute), in("segments", Element::Int32),
        optionalIn("clip", Element::Compute), out("parameters", Element::Compute),
        out("average", Element::Compute), out("square", Element::Compute),
        optionalOut("maximum", Element::Compute)}},
  };

  static void check(int, const Attributes& a, const View* v) {
    requireShare(a.beta1, "beta1 is at least 0 and less than 1");
    requireShare(a.beta2, "beta2 is at least 0 and less than 1");
    requireEpsilon(a.epsilon);
    checkSlabs(v, 3);
  }

  template <class T, bool Amsgrad>
  struct Rule {
    static constexpr int kSlots = Amsgrad ? 3 : 2;
    static constexpr bool kPowers = true;
    T beta1, rest1, beta2, rest2, correction1, correction2, epsilon, coupled, decoupled;

    STRIATE_HD static Rule make(const Attributes& a, const Control& control) {
      const std::int64_t t = control.step + 1;
      return {T(a.beta1),
              T(1 - a.beta1),
              T(a.beta2),
              T(1 - a.beta2),
              T(1 / (1 - power(a.beta1, t))),
              T(1 / root(1 - power(a.beta2, t))),
              T(a.epsilon),
              T(a.decoupled ? 0 : 1),
              T(a.decoupled ? 1 : 0)};
    }
    STRIATE_HD void operator()(T g, T& p, T* slots, T rate, T decay) const {
      g += coupled * decay * p;
      p -= decoupled * rate * decay * p;
      slots[0] = beta1 * slots[0] + rest1 * g;
      slots[1] = beta2 * slots[1] + rest2 * g * g;
      T square = slots[1];
      if constexpr (Amsgrad) {
        square = slots[2] > square ? slots[2] : square;
        slots[2] = square;
      }
      p -= rate * correction1 * slots[0] / (root(square) * correction2 + epsilon);
    }
  };

  template <class T, class F>
  STRIATE_HD static void forRule(const Attributes&, const View* v, F&& f) {
    if (v[kFirstSlot + 2]) return f(Rule<T, true>());
    f(Rule<T, false>());
  }
};

}  // namespace striate::ops
