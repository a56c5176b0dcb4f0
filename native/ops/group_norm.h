// Group normalisation (Wu and He, arXiv:1803.08494): each image's channels in `groups` ranges,
//   y = (x - mean) * gamma / sqrt(variance + epsilon) + beta
// x and y are [n, C] or [n, H, W, C], gamma and beta [C], groupMean and groupVariance [n, groups], over
// the m = H * W * C / groups values of an image and a group: variance = M2 / m, M2 = sum (x - mean)^2.
// Statistics are combined as (count, mean, M2) over channels and over parts of the pixels whose borders
// depend on the shape alone.
// Gradient, with r = 1 / sqrt(variance + epsilon), xhat = (x - mean) * r and sums over the group:
//   dx = r * (gamma dy - (sum gamma dy + xhat * sum gamma dy xhat) / m),
//   dgamma = sum over images and pixels of dy * xhat, dbeta = sum dy.
#pragma once
#include "ops/normalisation.h"
#include "ops/op.h"

namespace striate::ops {

struct GroupNorm {
  enum Op : int { Forward, Backward };

  struct Attributes {
    std::int32_t groups;
    float epsilon;
  };
  static constexpr Field fields[] = {STRIATE_FIELD(Attributes, groups),
                                     STRIATE_FIELD(Attributes, epsilon)};

  // y may be x, dx may be dy.
  static constexpr OpInfo ops[] = {
      {"groupNorm",
       {in("x"), in("gamma", Element::Compute), in("beta", Element::Compute), out("y"),
        out("groupMean", Element::Compute), out("groupVariance", Element::Compute),
        out("workspace", Element::Bytes)}},
      {"groupNormBackward",
       {in("x"), in("gamma", Element::Compute), in("groupMean", Element::Compute),
        in("groupVariance", Element::Compute), in("dy"), optionalOut("dx"),
        optionalOut("dgamma", Element::Compute), optionalOut("dbeta", Element::Compute),
        out("workspace", Element::Bytes)}},
  };

  // The pixels of an image are cut into at most this many parts; each leaves two doubles a channel in
  // the workspace. Four more hold what the last pass multiplies and adds.
  static constexpr std::int64_t kParts = 4;
  static constexpr std::int64_t kVectors = 4;
  STRIATE_HD static std::int64_t workspaceBytes(std::int64_t images, std::int64_t channels) {
    return (2 * kParts + kVectors) * 8 * channels * images;
  }

  static void check(int op, const Attributes& a, const View* v) {
    const View& x = v[0];
    requireArgument(a.epsilon > 0 && a.epsilon < 1e30f, "epsilon is a number above 0");
    requireShape(x.rank == 2 || x.rank == 4, "x is [n, C] or [n, H, W, C]");
    const std::int64_t images = x.size[0], channels = x.channels();
    requireArgument(a.groups >= 1 && channels % a.groups == 0, "groups divides the channels");
    const auto vectors = [&](int begin, int end) {
      for (int i = begin; i < end; ++i)
        requireShape(!v[i] || isVector(v[i], channels), "gamma, beta and their gradients are [C]");
    };
    const auto statistics = [&](int begin) {
      for (int i = begin; i < begin + 2; ++i)
        requireShape(v[i].rank == 2 && v[i].size[0] == images && v[i].size[1] == a.groups,
                     "groupMean and groupVariance are [n, groups]");
    };
    if (op == Forward) {
      vectors(1, 3);
      requireShape(sameShape(x, v[3]), "y has the shape of x");
      statistics(4);
      for (int i = 4; i < 6; ++i) requireOverwrite(v[i], "the statistics are overwritten");
      requireWorkspace(v[6], workspaceBytes(images, channels));
      return;
    }
    vectors(1, 2);
    statistics(2);
    requireShape(sameShape(x, v[4]), "dy has the shape of x");
    requireShape(!v[5] || sameShape(x, v[5]), "dx has the shape of x");
    vectors(6, 8);
    requireWorkspace(v[8], workspaceBytes(images, channels));
  }
};

}  // namespace striate::ops
