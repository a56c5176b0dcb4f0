// The exponential moving average of parameters, of vectors of one length:
//   averages = decay * averages + (1 - decay) * parameters
// At control.step 0 it begins with the parameters themselves, as torch.optim.swa_utils.AveragedModel does.
// Nothing changes when control.commit is 0.
#pragma once
#include "ops/op.h"

namespace striate::ops {

struct MovingAverage {
  enum Op : int { Forward };

  struct Attributes {
    double decay;
  };
  static constexpr Field fields[] = {STRIATE_FIELD(Attributes, decay)};

  static constexpr OpInfo ops[] = {
      {"movingAverage", {in("parameters", Element::Compute), out("averages", Element::Compute)}},
  };

  static void check(int, const Attributes& a, const View* v) {
    requireArgument(a.decay >= 0 && a.decay < 1, "decay is at least 0 and less than 1");
    requireShape(v[0].rank == 1 && isVector(v[1], v[0].size[0]),
                 "parameters and averages are vectors of one length");
    requireArgument(v[1].accumulates(), "averages are updated: access is Accumulate");
  }

  // What the parameters weigh.
  STRIATE_HD static double weight(const Attributes& a, std::int64_t step) {
    return step == 0 ? 1 : 1 - a.decay;
  }
  template <class T>
  STRIATE_HD static T next(T average, T parameter, T weight) {
    // A weight of 1 gives the parameter to the bit, whatever was there.
    return weight == T(1) ? parameter : average + weight * (parameter - average);
  }
};

}  // namespace striate::ops
