// LAMB (You et al., ICLR 2020, arXiv:1904.00962) over a slab of parameters. With t = control.step + 1:
//   average = beta1 * average + (1 - beta1) g
//   square = beta2 * square + (1 - beta2) g^2
//   u = average / (1 - beta1^t) / (sqrt(square / (1 - beta2^t)) + epsilon) + weightDecay * p
//   p = p - rate * ratio * u
// where rate is control.learningRate * rateScale and ratio = |p| / |u| over the segment (1 where a norm is
// 0, or not trusted). Slabs and segments: ops/slab.h; norms: ops/trust.h.
#pragma once
#include "ops/trust.h"

namespace striate::ops {

struct Lamb {
  enum Op : int { Forward };
  enum Operand : int { kAverage = kFirstSlot, kSquare, kTrusted, kWorkspace };

  struct Attributes {
    double beta1;
    double beta2;
    double epsilon;
  };
  static constexpr Field fields[] = {STRIATE_FIELD(Attributes, beta1),
                                     STRIATE_FIELD(Attributes, beta2),
                                     STRIATE_FIELD(Attributes, epsilon)};

  static constexpr OpInfo ops[] = {
      {"lamb",
       {in("gradients", Element::Compute), in("segments", Element::Int32),
        optionalIn("clip", Element::Compute), out("parameters", Element::Compute),
        out("average", Element::Compute), out("square", Element::Compute),
        in("trusted", Element::Int32), out("workspace", Element::Bytes)}},
  };

  static void check(int, const Attributes& a, const View* v) {
    requireShare(a.beta1, "beta1 is at least 0 and less than 1");
    requireShare(a.beta2, "beta2 is at least 0 and less than 1");
    requireEpsilon(a.epsilon);
    checkSlabs(v, 2);
    checkTrust(v, v[kTrusted], v[kWorkspace]);
  }

  // Of |p|^2 and |u|^2.
  STRIATE_HD static double ratio(const Attributes&, Squares s, double) {
    return s.first == 0 || s.second == 0 ? 1 : root(s.first) / root(s.second);
  }

  template <class T>
  struct Rule {
    static constexpr int kSlots = 2;
    static constexpr bool kPowers = true;
    T beta1, rest1, beta2, rest2, correction1, correction2, epsilon, ratio;

    STRIATE_HD static Rule make(const Attributes& a, const Control& control) {
      const std::int64_t t = control.step + 1;
      return {T(a.beta1),
              T(1 - a.beta1),
              T(a.beta2),
              T(1 - a.beta2),
              T(1 / (1 - power(a.beta1, t))),
              T(1 / root(1 - power(a.beta2, t))),
              T(a.epsilon),
              T(1)};
    }
    STRIATE_HD void remember(T g, T* slots) const {
      slots[0] = beta1 * slots[0] + rest1 * g;
      slots[1] = beta2 * slots[1] + rest2 * g * g;
    }
    STRIATE_HD T direction(T p, const T* slots, T decay) const {
      return correction1 * slots[0] / (root(slots[1]) * correction2 + epsilon) + decay * p;
    }
    // The second pass: the slots are this step's already.
    STRIATE_HD void operator()(T, T& p, T* slots, T rate, T decay) const {
      p -= rate * ratio * direction(p, slots, decay);
    }
  };
};

}  // namespace striate::ops
