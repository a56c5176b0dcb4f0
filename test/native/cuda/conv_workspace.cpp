// The CUDA device's need for workspace, as native/cuda/conv_plan.h computes it. Reads lines of numbers,
//
//   op R S strideH strideW padTop padLeft padBottom padRight dilationH dilationW
//   groups algorithm H W C P Q K bytes
//
// and prints for each the fixed bytes and those of an image.
#include <cstdio>

#include "cuda/conv_plan.h"

int main() {
  using striate::View;
  using striate::ops::Conv2d;
  long long v[20];
  for (;;) {
    for (long long& number : v)
      if (std::scanf("%lld", &number) != 1) return 0;
    Conv2d::Attributes a{};
    a.strideH = static_cast<int>(v[3]);
    a.strideW = static_cast<int>(v[4]);
    a.padTop = static_cast<int>(v[5]);
    a.padLeft = static_cast<int>(v[6]);
    a.padBottom = static_cast<int>(v[7]);
    a.padRight = static_cast<int>(v[8]);
    a.dilationH = static_cast<int>(v[9]);
    a.dilationW = static_cast<int>(v[10]);
    a.groups = static_cast<int>(v[11]);
    a.algorithm = static_cast<int>(v[12]);
    View x, y;
    x.rank = y.rank = 4;
    if (v[19] == 2) x.dtype = y.dtype = striate::DType::BFloat16;
    for (int i = 0; i < 3; ++i) {
      x.size[1 + i] = v[13 + i];
      y.size[1 + i] = v[16 + i];
    }
    const striate::cuda::ConvShape shape(a, x, v[1], v[2], y);
    const striate::cuda::WorkspaceNeed need =
        striate::cuda::workspaceNeed(shape, static_cast<int>(v[0]));
    std::printf("%lld %lld\n", static_cast<long long>(need.fixed),
                static_cast<long long>(need.perImage));
  }
}
