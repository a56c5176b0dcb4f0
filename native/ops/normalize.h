// Images to numbers: y = (x * scale - mean) / std. x is uint8, float32 or float64 of any shape,
// mean and std are [C] (left out: 0 and 1), y has the shape of x.
#pragma once
#include "ops/op.h"

namespace striate::ops {

struct Normalize {
  enum Op : int { Forward };

  struct Attributes {
    float scale;
  };
  static constexpr Field fields[] = {STRIATE_FIELD(Attributes, scale)};

  static constexpr OpInfo ops[] = {
      {"normalize",
       {in("x", Element::Other), optionalIn("mean", Element::Compute),
        optionalIn("std", Element::Compute), out("y")}},
  };

  static void check(int, const Attributes&, const View* v) {
    const View &x = v[0], &y = v[3];
    requireArgument(x.dtype == DType::UInt8 || isCompute(x), "x is uint8, float32 or float64");
    requireArgument(x.dtype != DType::Float64 || y.dtype == DType::Float64,
                    "y is float64 where x is");
    requireShape(sameShape(x, y), "y has the shape of x");
    requireShape(!v[1] || isVector(v[1], x.channels()), "mean is a vector [C]");
    requireShape(!v[2] || isVector(v[2], x.channels()), "std is a vector [C]");
  }

  template <class T>
  STRIATE_HD static T value(T x, T scale, T mean, T std) {
    return (x * scale - mean) / std;
  }
};

}  // namespace striate::ops
