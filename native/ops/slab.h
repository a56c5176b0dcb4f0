// What the optimizers share. All slabs (gradients, parameters, what is remembered) are vectors of one
// length. `segments` [count, 4] says what holds where: first element, number of elements, and the bits
// of two float32, rateScale and weightDecay; rows are sorted and disjoint. Elements outside every segment
// (frozen, alignment) stay as they are, and nothing changes when control.commit is 0.
//
// A family states its rule as a struct over the type T in which it computes:
//   kSlots, how many vectors it remembers; kPowers, whether `make` is too costly for every thread;
//   make(attributes, control), what is the same for all elements of a step, members of type T;
//   operator()(g, p, slots, rate, decay), the change of one element.
// The CPU's loop is cpu/slab.h, the CUDA kernel cuda/slab.h.
#pragma once
#if defined(__CUDACC__)
#include <cmath>
#endif

#include "ops/op.h"

namespace striate::ops {

// One segment, clipped to a slab of `length` elements.
struct Segment {
  std::int64_t begin, end;
  float rateScale, weightDecay;
};
STRIATE_HD Segment segment(const std::int32_t* row, std::int64_t length) {
  Segment s = {row[0], std::int64_t(row[0]) + row[1], 0, 0};
  if (s.begin < 0) s.begin = 0;
  if (s.end > length) s.end = length;
  __builtin_memcpy(&s.rateScale, row + 2, 4);
  __builtin_memcpy(&s.weightDecay, row + 3, 4);
  return s;
}

// How every optimizer reads a gradient, and nothing else does: what the slab holds is the gradient times
// control.lossScale; it is divided by that, scaled by `clip`[0], then kept within +-`clip`[1].
template <class T>
struct Gradient {
  T factor, bound;

  STRIATE_HD static Gradient make(double lossScale) {
    return {T(1 / lossScale), T(__builtin_huge_val())};
  }
  STRIATE_HD static Gradient make(double lossScale, T clipFactor, T clipBound) {
    return {T(double(clipFactor) / lossScale), clipBound};
  }
  STRIATE_HD T operator()(T stored) const {
    const T g = stored * factor;
    return g > bound ? bound : g < -bound ? -bound : g;
  }
};

#if defined(__CUDACC__)
STRIATE_HD float root(float x) { return sqrtf(x); }
STRIATE_HD double root(double x) { return sqrt(x); }
#else
STRIATE_HD float root(float x) { return __builtin_sqrtf(x); }
STRIATE_HD double root(double x) { return __builtin_sqrt(x); }
#endif

// base^exponent, the same on every device.
STRIATE_HD double power(double base, std::int64_t exponent) {
  double result = 1;
  for (; exponent > 0; exponent /= 2, base *= base)
    if (exponent % 2 != 0) result *= base;
  return result;
}

// Places of the operands that all optimizers have.
enum SlabOperand : int { kGradients, kSegments, kClip, kParameters, kFirstSlot };

// Checks them, and that each slot that is given is as long as the parameters.
inline void checkSlabs(const View* v, int slots) {
  const std::int64_t length = v[kGradients].size[0];
  requireShape(isVector(v[kGradients], length) && isVector(v[kParameters], length),
               "the slabs are vectors of one length");
  requireShape(v[kSegments].rank == 2 && v[kSegments].size[1] == 4, "segments are [count, 4]");
  requireArgument(v[kSegments].dense(), "segments are dense");
  requireShape(!v[kClip] || isVector(v[kClip], 2), "clip is a vector [2]: factor, bound");
  requireArgument(v[kParameters].accumulates(), "parameters are updated: access is Accumulate");
  for (int i = kFirstSlot; i < kFirstSlot + slots; ++i) {
    if (!v[i]) continue;
    requireShape(isVector(v[i], length), "what is remembered is as long as the parameters");
    requireArgument(v[i].accumulates(), "what is remembered is updated: access is Accumulate");
  }
}
inline void requireShare(double value, const char* rule) {
  requireArgument(value >= 0 && value < 1, rule);
}
inline void requireEpsilon(double value) {
  requireArgument(value >= 0 && value < 1e30, "epsilon is a number, not negative");
}

}  // namespace striate::ops
