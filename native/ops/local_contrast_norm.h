// Local contrast normalisation as cuda-convnet has it (Krizhevsky, ContrastNormLayer and convContrastNorm):
//   y[j] = x[j] * s[j]^-beta,  s[j] = k + scale * sum over the window of j of d^2,
//   d[i] = x[i] - mean of x over the window of i.
// x and y are [n, H, W, C]. A window holds `size` x `size` pixels of one channel, from size / 2 before on;
// it is cut at the borders, and the mean is over the part that is left.
// Gradient, with t[i] = dy[i] * x[i] * s[i]^(-beta - 1) and sums over the windows that hold a place:
//   e[j] = -2 * scale * beta * d[j] * sum of t[i],  which is the gradient by d,
//   dx[j] = dy[j] * s[j]^-beta + e[j] - sum of e[i] / values of window i.
// That is the whole gradient; cuda-convnet's leaves out the last term. Three gathers; no activation is kept.
// The workspace holds d, in the gradient d, t and e / values: dense volumes of the compute type.
#pragma once
#include "ops/neighbours.h"

namespace striate::ops {

struct LocalContrastNorm {
  enum Op : int { Forward, Backward };

  struct Attributes {
    std::int32_t size;
    float scale, beta, k;
  };
  static constexpr Field fields[] = {STRIATE_FIELD(Attributes, size),
                                     STRIATE_FIELD(Attributes, scale),
                                     STRIATE_FIELD(Attributes, beta), STRIATE_FIELD(Attributes, k)};

  // dx may be dy.
  static constexpr OpInfo ops[] = {
      {"localContrastNorm", {in("x"), out("y"), out("workspace", Element::Bytes)}},
      {"localContrastNormBackward",
       {in("x"), in("dy"), out("dx"), out("workspace", Element::Bytes)}},
  };

  STRIATE_HD static std::int64_t volumes(int op) { return op == Forward ? 1 : 3; }

  static void check(int op, const Attributes& a, const View* v) {
    requireArgument(a.size >= 1, "size is at least 1");
    requireArgument(a.scale >= 0 && a.scale < 1e30f, "scale is a number, not negative");
    requireArgument(a.beta > 0 && a.beta < 1e30f, "beta is a number above 0");
    requireArgument(a.k > 0 && a.k < 1e30f, "k is a number above 0");
    requireShape(v[0].rank == 4, "x is a batch [n, height, width, channels]");
    requireShape(sameShape(v[0], v[1]),
                 op == Forward ? "y has the shape of x" : "dy has the shape of x");
    if (op == Backward) requireShape(sameShape(v[0], v[2]), "dx has the shape of x");
    requireWorkspace(v[op == Forward ? 2 : 3],
                     volumes(op) * v[0].elements() * sizeOf(computeType(v[0].dtype)));
  }
};

}  // namespace striate::ops
