// Local response normalisation (Krizhevsky, Sutskever, Hinton 2012, section 3.3):
//   y[j] = x[j] * s[j]^-beta,  s[j] = k + scale * sum over the window of j of x^2.
// x and y are [n, H, W, C]. The window of channel j holds `size` channels [j - size / 2, j - size / 2 + size)
// of its pixel (Across), or as many rows and columns of its channel (Within), cut at the borders. `scale` is
// the paper's alpha, or alpha over the window's values: the layer says which.
// Gradient, with t[i] = dy[i] * x[i] * s[i]^(-beta - 1):
//   dx[j] = dy[j] * s[j]^-beta - 2 * scale * beta * x[j] * sum of t[i] over the windows i that hold j,
// two gathers. s is computed again from x, so that no activation is kept for it; the workspace holds t in the
// compute type, dense.
// All sums add: taking a value back out of a running sum would leave its NaN or infinity there, and lose the
// digits of small neighbours of a large value.
#pragma once
#include "ops/neighbours.h"

namespace striate::ops {

struct LocalResponseNorm {
  enum Op : int { Forward, Backward };
  enum Region : int { Across, Within };

  struct Attributes {
    std::int32_t size, region;
    float scale, beta, k;
  };
  static constexpr Field fields[] = {STRIATE_FIELD(Attributes, size),
                                     STRIATE_FIELD(Attributes, region),
                                     STRIATE_FIELD(Attributes, scale),
                                     STRIATE_FIELD(Attributes, beta), STRIATE_FIELD(Attributes, k)};

  // dx may be dy.
  static constexpr OpInfo ops[] = {
      {"localResponseNorm", {in("x"), out("y")}},
      {"localResponseNormBackward",
       {in("x"), in("dy"), out("dx"), out("workspace", Element::Bytes)}},
  };

  static void check(int op, const Attributes& a, const View* v) {
    requireArgument(a.size >= 1, "size is at least 1");
    requireArgument(a.region == Across || a.region == Within, "region is 0 (across) or 1 (within)");
    requireArgument(a.scale >= 0 && a.scale < 1e30f, "scale is a number, not negative");
    requireArgument(a.beta > 0 && a.beta < 1e30f, "beta is a number above 0");
    requireArgument(a.k > 0 && a.k < 1e30f, "k is a number above 0");
    requireShape(v[0].rank == 4, "x is a batch [n, height, width, channels]");
    requireShape(sameShape(v[0], v[1]),
                 op == Forward ? "y has the shape of x" : "dy has the shape of x");
    if (op == Forward) return;
    requireShape(sameShape(v[0], v[2]), "dx has the shape of x");
    requireWorkspace(v[3], v[0].elements() * sizeOf(computeType(v[0].dtype)));
  }

  // dx by s^-beta and the sum of t.
  template <class T>
  STRIATE_HD static T gradient(T x, T dy, T power, T sum, T factor) {
    return dy * power - factor * x * sum;
  }
};

}  // namespace striate::ops
