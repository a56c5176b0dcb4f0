// Batch normalisation over all axes but the last (Ioffe and Szegedy, arXiv:1502.03167):
//   y = (x - mean) * gamma / sqrt(variance + epsilon) + beta
// x and y are [n, C] or [n, H, W, C]; everything else is [C]. With m = elements / C:
//   mean = sum x / m, variance = M2 / m, unbiased = M2 / (m - 1), M2 = sum (x - mean)^2.
// Statistics are combined as (count, mean, M2) over parts whose borders depend on the shape alone.
// Gradient, with xhat = (x - mean) / sqrt(variance + epsilon):
//   dbeta = sum dy, dgamma = sum dy * xhat,
//   dx = gamma / sqrt(variance + epsilon) * (dy - (dbeta + xhat * dgamma) / m);
// with scale = gamma / sqrt(variance + epsilon) that is dy * scale - offset - (x - mean) * slope, where
// offset = scale * dbeta / m, slope = scale * dgamma / (m * sqrt(variance + epsilon)).
// batchNormFrozenBackward is the gradient of batchNormInference, whose statistics are constants: dgamma and
// dbeta as above, dx = gamma / sqrt(variance + epsilon) * dy.
// `scale` and `offset`, where they are asked for, are what the forward pass multiplies and adds:
//   y = (x - mean) * scale + offset,
// with mean as it is rounded. batchNormApply does that again, to the same bits, so that y need not be kept.
// batchNormUpdate moves the running statistics, if control.commit is set:
//   running = (1 - momentum) * running + momentum * new (PyTorch; the variance with m / (m - 1)).
#pragma once
#include "ops/op.h"

namespace striate::ops {

struct BatchNorm {
  enum Op : int { Forward, Inference, Backward, FrozenBackward, Update, Apply };

  struct Attributes {
    float epsilon;
    float momentum;
  };
  static constexpr Field fields[] = {STRIATE_FIELD(Attributes, epsilon),
                                     STRIATE_FIELD(Attributes, momentum)};

  // y may be x, dx may be dy. `scale` and `offset` come together.
  static constexpr OpInfo ops[] = {
      {"batchNorm",
       {in("x"), in("gamma", Element::Compute), in("beta", Element::Compute), out("y"),
        out("mean", Element::Compute), out("variance", Element::Compute),
        out("unbiased", Element::Compute), optionalOut("scale", Element::Compute),
        optionalOut("offset", Element::Compute), out("workspace", Element::Bytes)}},
      {"batchNormInference",
       {in("x"), in("gamma", Element::Compute), in("beta", Element::Compute),
        in("mean", Element::Compute), in("variance", Element::Compute), out("y")}},
      {"batchNormBackward",
       {in("x"), in("gamma", Element::Compute), in("mean", Element::Compute),
        in("variance", Element::Compute), in("dy"), optionalOut("dx"),
        optionalOut("dgamma", Element::Compute), optionalOut("dbeta", Element::Compute),
        out("workspace", Element::Bytes)}},
      {"batchNormFrozenBackward",
       {in("x"), in("gamma", Element::Compute), in("mean", Element::Compute),
        in("variance", Element::Compute), in("dy"), optionalOut("dx"),
        optionalOut("dgamma", Element::Compute), optionalOut("dbeta", Element::Compute),
        out("workspace", Element::Bytes)}},
      {"batchNormUpdate",
       {in("mean", Element::Compute), in("unbiased", Element::Compute),
        out("runningMean", Element::Compute), out("runningVariance", Element::Compute)}},
      {"batchNormApply",
       {in("x"), in("mean", Element::Compute), in("scale", Element::Compute),
        in("offset", Element::Compute), out("y")}},
  };

  // The pixels are cut into at most this many parts; each leaves two doubles a channel in the
  // workspace. Four more hold what the last pass multiplies and adds.
  static constexpr std::int64_t kParts = 32;
  STRIATE_HD static std::int64_t workspaceBytes(std::int64_t channels) {
    return (2 * kParts + 4) * 8 * channels;
  }

  static void check(int op, const Attributes& a, const View* v) {
    requireArgument(a.epsilon >= 0 && a.epsilon < 1e30f, "epsilon is a number, not negative");
    requireArgument(a.momentum >= 0 && a.momentum <= 1, "momentum lies between 0 and 1");
    if (op == Update) {
      for (int i = 0; i < 4; ++i) requireShape(isVector(v[i], v[0].size[0]), "all are vectors [C]");
      requireArgument(v[2].accumulates() && v[3].accumulates(),
                      "the running statistics are updated: access is Accumulate");
      return;
    }
    const View& x = v[0];
    const std::int64_t channels = x.channels();
    requireShape(x.rank == 2 || x.rank == 4, "x is [n, C] or [n, H, W, C]");
    const auto vectors = [&](int begin, int end) {
      for (int i = begin; i < end; ++i)
        requireShape(!v[i] || isVector(v[i], channels),
                     "gamma, beta and the statistics are vectors [C]");
    };
    if (op == Inference) {
      vectors(1, 5);
      requireShape(sameShape(x, v[5]), "y has the shape of x");
      return;
    }
    if (op == Apply) {
      vectors(1, 4);
      requireShape(sameShape(x, v[4]), "y has the shape of x");
      return;
    }
    if (op != FrozenBackward)
      requireShape(x.pixels() > 1, "training has more than one value for each channel");
    if (op == Forward) {
      vectors(1, 3);
      requireShape(sameShape(x, v[3]), "y has the shape of x");
      vectors(4, 9);
      requireArgument(bool(v[7]) == bool(v[8]), "scale and offset come together");
      for (int i = 4; i < 9; ++i)
        if (v[i]) requireOverwrite(v[i], "the statistics are overwritten");
      requireWorkspace(v[9], workspaceBytes(channels));
      return;
    }
    vectors(1, 4);
    requireShape(sameShape(x, v[4]), "dy has the shape of x");
    requireShape(!v[5] || sameShape(x, v[5]), "dx has the shape of x");
    vectors(6, 8);
    requireWorkspace(v[8], workspaceBytes(channels));
  }

  template <class T>
  STRIATE_HD static T moved(T running, T current, T momentum) {
    return (T(1) - momentum) * running + momentum * current;
  }
};

}  // namespace striate::ops
