// Activations of one operand, elementwise, named and defined as in PyTorch:
//   LeakyRelu    x > 0 ? x : alpha x
//   Elu          x > 0 ? x : alpha (e^x - 1)
//   Sigmoid      1 / (1 + e^-x)
//   Tanh         tanh x
//   Softplus     alpha x > threshold ? x : log(1 + e^(alpha x)) / alpha
//   Silu         x sigmoid(x)
//   Gelu         x Phi(x), Phi the distribution function of the standard normal law
//   GeluTanh     x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2
//   HardSwish    x min(max(x + 3, 0), 6) / 6
//   HardSigmoid  min(max(x + 3, 0), 6) / 6
//   Relu6        min(max(x, 0), 6)
// NaN passes on; at the infinities stands the limit (where PyTorch has -inf * 0 = NaN). At a kink the
// gradient is PyTorch's.
//
// The gradient reads y where it is a function of y alone (readsOutput), so that x need not be kept;
// x elsewhere.
#pragma once
#include "ops/op.h"

namespace striate::ops {

struct Activation {
  enum Op : int { Forward, Backward };
  enum Kind : std::int32_t {
    LeakyRelu,
    Elu,
    Sigmoid,
    Tanh,
    Softplus,
    Silu,
    Gelu,
    GeluTanh,
    HardSwish,
    HardSigmoid,
    Relu6,
  };

  // alpha: the slope of LeakyRelu, Elu's alpha, Softplus's beta; threshold: Softplus's. Others ignore them.
  struct Attributes {
    std::int32_t kind;
    float alpha, threshold;
  };
  static constexpr Field fields[] = {STRIATE_FIELD(Attributes, kind),
                                     STRIATE_FIELD(Attributes, alpha),
                                     STRIATE_FIELD(Attributes, threshold)};

  // y may be x, dx may be dy.
  static constexpr OpInfo ops[] = {
      {"activation", {in("x"), out("y")}},
      {"activationBackward", {optionalIn("x"), optionalIn("y"), in("dy"), out("dx")}},
  };

  STRIATE_HD static constexpr bool readsOutput(std::int32_t kind) {
    return kind <= Tanh || kind == Relu6;
  }

  static void check(int op, const Attributes& a, const View* v) {
    requireArgument(a.kind >= LeakyRelu && a.kind <= Relu6, "kind lies between 0 and 10");
    // A negative factor would give one y to two x.
    if (a.kind == LeakyRelu || a.kind == Elu) requireArgument(a.alpha >= 0, "alpha is 0 or more");
    if (a.kind == Softplus) requireArgument(a.alpha > 0, "alpha lies above 0");
    if (op == Forward) return requireShape(sameShape(v[0], v[1]), "y has the shape of x");
    const bool output = readsOutput(a.kind);
    requireArgument(
        bool(v[0]) != output && bool(v[1]) == output,
        "the gradient is given y alone for kinds 0 to 3 and 10, x alone for the others");
    requireShape(sameShape(v[output ? 1 : 0], v[2]), "dy has the shape of y");
    requireShape(sameShape(v[2], v[3]), "dx has the shape of dy");
  }

  // M holds the transcendental functions of a device: exponential, exponentialMinusOne for x <= 0,
  // hyperbolicTangent, logOnePlus for arguments from 0 to 1, and normalLaw (tail and density at z >= 0).
  template <int K, class M, class T>
  STRIATE_HD static T value(T x, T alpha, T threshold) {
    if constexpr (K == LeakyRelu) return x < T(0) ? (alpha == T(0) ? T(0) : alpha * x) : x;
    if constexpr (K == Elu) return x > T(0) ? x : alpha * M::exponentialMinusOne(x);
    if constexpr (K == Sigmoid) return sigmoid<M>(x);
    if constexpr (K == Tanh) return M::hyperbolicTangent(x);
    if constexpr (K == Softplus) {
      const T z = alpha * x, size = z < T(0) ? z : -z;
      const T soft = (z > T(0) ? z : T(0)) + M::logOnePlus(M::exponential(size));
      return z > threshold ? x : soft / alpha;
    }
    if constexpr (K == Silu) {
      const T b = atLeast(x, T(-kSaturated));
      return b * sigmoid<M>(b);
    }
    if constexpr (K == Gelu) {
      // max(0, x) - |x| Phi(-|x|): nothing cancels for negative x.
      const T z = sizeBelow(x, T(kNormalEnd));
      return (x > T(0) ? x : T(0)) - z * M::normalLaw(z).tail;
    }
    if constexpr (K == GeluTanh) {
      const T b = atLeast(x, T(-kNormalEnd));
      return b * sigmoid<M>(twiceInner(b));
    }
    if constexpr (K == HardSwish) return x <= T(-3) ? T(0) : x >= T(3) ? x : x * (x + T(3)) / T(6);
    if constexpr (K == HardSigmoid) return x <= T(-3) ? T(0) : x >= T(3) ? T(1) : (x + T(3)) / T(6);
    return x < T(0) ? T(0) : x > T(6) ? T(6) : x;
  }

  // dx; v is y where readsOutput(K), x elsewhere.
  template <int K, class M, class T>
  STRIATE_HD static T gradient(T v, T dy, T alpha, T threshold) {
    if constexpr (K == LeakyRelu) return v > T(0) ? dy : alpha * dy;
    if constexpr (K == Elu) return v > T(0) ? dy : (v + alpha) * dy;
    if constexpr (K == Sigmoid) return (T(1) - v) * v * dy;
    if constexpr (K == Tanh) return (T(1) - v * v) * dy;
    if constexpr (K == Softplus) {
      const T z = alpha * v;
      return z > threshold ? dy : sigmoid<M>(z) * dy;
    }
    if constexpr (K == Silu) {
      const T b = within(v, T(kSaturated)), s = sigmoid<M>(b);
      return s * (T(1) + b * (T(1) - s)) * dy;
    }
    if constexpr (K == Gelu) {
      const T z = sizeBelow(v, T(kNormalEnd));
      const auto law = M::normalLaw(z);
      const T below = law.tail - z * law.density;
      return (v > T(0) ? T(1) - below : below) * dy;
    }
    if constexpr (K == GeluTanh) {
      const T b = within(v, T(kNormalEnd)), s = sigmoid<M>(twiceInner(b));
      const T slope = T(kTwiceRoot) * (T(1) + T(3 * kCubic) * b * b);
      return s * (T(1) + b * (T(1) - s) * slope) * dy;
    }
    if constexpr (K == HardSwish)
      return v <= T(-3) ? T(0) : v >= T(3) ? dy : (v * T(1.0 / 3) + T(0.5)) * dy;
    if constexpr (K == HardSigmoid) return v > T(-3) && v < T(3) ? dy / T(6) : T(0);
    return v > T(0) && v < T(6) ? dy : T(0);
  }

 private:
  // Behind these sizes nothing changes any more, in double either: x sigmoid(x), and what a normal law
  // leaves.
  static constexpr double kSaturated = 1000, kNormalEnd = 40;
  static constexpr double kTwiceRoot = 1.59576912160573071176;  // 2 sqrt(2 / pi)
  static constexpr double kCubic = 0.044715;

  // NaN stays in all of them.
  template <class T>
  STRIATE_HD static T atLeast(T x, T low) {
    return x < low ? low : x;
  }
  template <class T>
  STRIATE_HD static T within(T x, T size) {
    // Two steps: GCC 12 does not vectorise nested ones before an exponential.
    const T high = x > size ? size : x;
    return high < -size ? -size : high;
  }
  template <class T>
  STRIATE_HD static T sizeBelow(T x, T most) {
    const T size = x < T(0) ? -x : x;
    return size > most ? most : size;
  }
  template <class M, class T>
  STRIATE_HD static T sigmoid(T x) {
    return T(1) / (T(1) + M::exponential(-x));
  }
  // (1 + tanh u) / 2 is the sigmoid of 2 u.
  template <class T>
  STRIATE_HD static T twiceInner(T x) {
    return T(kTwiceRoot) * (x + T(kCubic) * x * x * x);
  }
};

}  // namespace striate::ops
