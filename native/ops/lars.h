// LARS (You, Gitman and Ginsburg, arXiv:1708.03888) over a slab of parameters. With the norms of a segment's
// parameters p and gradients g:
//   ratio = coefficient |p| / (|g| + weightDecay |p| + epsilon)   (1 where a norm is 0, or not trusted)
//   v = momentum * v + rate * ratio * (g + weightDecay * p)
//   p = p - v
// where rate is control.learningRate * rateScale. Slabs and segments: ops/slab.h; norms: ops/trust.h.
#pragma once
#include "ops/trust.h"

namespace striate::ops {

struct Lars {
  enum Op : int { Forward };
  enum Operand : int { kMomentum = kFirstSlot, kTrusted, kWorkspace };

  struct Attributes {
    double momentum;
    double coefficient;
    double epsilon;
  };
  static constexpr Field fields[] = {STRIATE_FIELD(Attributes, momentum),
                                     STRIATE_FIELD(Attributes, coefficient),
                                     STRIATE_FIELD(Attributes, epsilon)};

  static constexpr OpInfo ops[] = {
      {"lars",
       {in("gradients", Element::Compute), in("segments", Element::Int32),
        optionalIn("clip", Element::Compute), out("parameters", Element::Compute),
        out("momentum", Element::Compute), in("trusted", Element::Int32),
        out("workspace", Element::Bytes)}},
  };

  static void check(int, const Attributes& a, const View* v) {
    requireShare(a.momentum, "momentum is at least 0 and less than 1");
    requireArgument(a.coefficient > 0 && a.coefficient < 1e30, "coefficient is a number above 0");
    requireEpsilon(a.epsilon);
    checkSlabs(v, 1);
    checkTrust(v, v[kTrusted], v[kWorkspace]);
  }

  // Of |p|^2 and |g|^2.
  STRIATE_HD static double ratio(const Attributes& a, Squares s, double decay) {
    if (s.first == 0 || s.second == 0) return 1;
    const double p = root(s.first);
    return a.coefficient * p / (root(s.second) + decay * p + a.epsilon);
  }

  template <class T>
  struct Rule {
    static constexpr int kSlots = 1;
    T momentum, ratio;

    STRIATE_HD void operator()(T g, T& p, T* slots, T rate, T decay) const {
      slots[0] = momentum * slots[0] + rate * ratio * (g + decay * p);
      p -= slots[0];
    }
  };
};

}  // namespace striate::ops
