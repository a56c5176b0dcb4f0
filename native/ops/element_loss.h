// Losses that compare numbers, the mean over the E elements of a sample: losses_i = 1/E sum_e f(x_ie, t_ie).
// With d = x - t the kinds are
//   squared   f = d^2                                       f' = 2 d
//   absolute  f = |d|                                       f' = sign(d), 0 at 0
//   huber     f = d^2 / 2 for |d| <= delta,                 f' = d,
//                 delta (|d| - delta / 2) beyond                 delta sign(d)
//   sigmoid   f = max(x, 0) - x t + log(1 + e^-|x|)         f' = 1 / (1 + e^-x) - t
// the last being the cross-entropy of independent probabilities sigmoid(x) with t from 0 to 1.
//   the gradient: dx = f'(x, t) * control.lossScale / (count E)
// x, target and dx are [n, E], losses [n]; statistics [4] = the sum of the losses in the order of the rows,
// n, 0, 0. workspace: one double for each kPart elements of each row.
#pragma once
#include "ops/op.h"

namespace striate::ops {

struct ElementLoss {
  enum Op : int { Forward, Backward };
  enum Kind : std::int32_t { Squared, Absolute, Huber, Sigmoid };

  struct Attributes {
    std::int32_t kind;
    float delta;
  };
  static constexpr Field fields[] = {STRIATE_FIELD(Attributes, kind),
                                     STRIATE_FIELD(Attributes, delta)};

  // dx may be x or target.
  static constexpr OpInfo ops[] = {
      {"elementLoss",
       {in("x", Element::Compute), in("target", Element::Compute), out("losses", Element::Compute),
        out("statistics", Element::Compute), out("workspace", Element::Bytes)}},
      {"elementLossBackward",
       {in("x", Element::Compute), in("target", Element::Compute),
        in("statistics", Element::Compute), out("dx", Element::Compute)}},
  };

  // Elements of a row that are added up together.
  static constexpr std::int64_t kPart = 2048;
  static constexpr std::int64_t parts(std::int64_t elements) {
    return (elements + kPart - 1) / kPart;
  }

  static void check(int op, const Attributes& a, const View* v) {
    requireArgument(a.kind >= Squared && a.kind <= Sigmoid, "kind lies between 0 and 3");
    requireArgument(a.kind != Huber || a.delta > 0, "delta is above 0");
    const View& x = v[0];
    requireShape(x.rank == 2, "x is [n, elements]");
    requireShape(sameShape(x, v[1]), "target has the shape of x");
    requireShape(isVector(op == Forward ? v[3] : v[2], 4), "statistics are a vector [4]");
    if (op == Backward) return requireShape(sameShape(x, v[3]), "dx has the shape of x");
    requireShape(isVector(v[2], x.size[0]), "losses are a vector [n]");
    requireOverwrite(v[2], "losses are overwritten");
    requireOverwrite(v[3], "statistics are overwritten");
    requireWorkspace(v[4], x.size[0] * parts(x.size[1]) * 8);
  }

  // Of the kinds but `sigmoid`, whose functions belong to the device.
  template <int K, class T>
  STRIATE_HD static T loss(T x, T t, T delta) {
    const T d = x - t, size = d < T(0) ? -d : d;
    if constexpr (K == Squared) return d * d;
    if constexpr (K == Absolute) return size;
    return size > delta ? delta * (size - delta / T(2)) : d * d / T(2);
  }
  template <int K, class T>
  STRIATE_HD static T slope(T x, T t, T delta) {
    const T d = x - t;
    if constexpr (K == Squared) return T(2) * d;
    const T bound = K == Absolute ? T(1) : delta;
    if constexpr (K == Absolute) return d > T(0) ? bound : d < T(0) ? -bound : d;
    return d > bound ? bound : d < -bound ? -bound : d;
  }
};

}  // namespace striate::ops
