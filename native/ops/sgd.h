// Stochastic gradient descent with momentum over a slab of parameters, PyTorch's rule:
//   g = gradient + weightDecay * p
//   v = momentum * v + g                   (Sutskever et al., ICML 2013)
//   p = p - rate * rateScale * (nesterov ? g + momentum * v : v)
// and without momentum p = p - rate * rateScale * g, where rate is control.learningRate. Nothing
// changes when control.commit is 0.
// All slabs are vectors of one length. `segments` [count, 4] says what holds where: first element,
// number of elements, and the bits of two float32, rateScale and weightDecay. Elements outside
// every segment (frozen, alignment) stay as they are.
#pragma once
#include "ops/op.h"

namespace striate::ops {

struct Sgd {
  enum Op : int { Forward };

  struct Attributes {
    float momentum;
    std::int32_t nesterov;
  };
  static constexpr Field fields[] = {STRIATE_FIELD(Attributes, momentum),
                                     STRIATE_FIELD(Attributes, nesterov)};

  static constexpr OpInfo ops[] = {
      {"sgd",
       {in("gradients", Element::Compute), in("segments", Element::Int32),
        out("parameters", Element::Compute), optionalOut("momentum", Element::Compute)}},
  };

  static void check(int, const Attributes& a, const View* v) {
    requireArgument(a.momentum >= 0 && a.momentum < 1e30f, "momentum is a number, not negative");
    const std::int64_t length = v[0].size[0];
    requireShape(isVector(v[0], length) && isVector(v[2], length),
                 "the slabs are vectors of one length");
    requireShape(!v[3] || isVector(v[3], length), "momentum is as long as the parameters");
    requireShape(v[1].rank == 2 && v[1].size[1] == 4, "segments are [count, 4]");
    requireArgument(v[1].dense(), "segments are dense");
    requireArgument(a.momentum == 0 || v[3], "a slab of momentum is given where momentum is not 0");
    requireArgument(a.momentum > 0 || !a.nesterov, "nesterov needs momentum");
    requireArgument(v[2].accumulates() && (!v[3] || v[3].accumulates()),
                    "parameters and momentum are updated: access is Accumulate");
  }

  // One segment, clipped to a slab of `length` elements.
  struct Segment {
    std::int64_t begin, end;
    float rateScale, weightDecay;
  };
  STRIATE_HD static Segment segment(const std::int32_t* row, std::int64_t length) {
    Segment s = {row[0], std::int64_t(row[0]) + row[1], 0, 0};
    if (s.begin < 0) s.begin = 0;
    if (s.end > length) s.end = length;
    __builtin_memcpy(&s.rateScale, row + 2, 4);
    __builtin_memcpy(&s.weightDecay, row + 3, 4);
    return s;
  }
};

}  // namespace striate::ops
