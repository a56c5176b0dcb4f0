// What ops ask of their arguments on a CUDA device beyond the op headers' rules. They throw Error.
#pragma once
#include "ops/view.h"

namespace striate::cuda {

// The workspace holds what the algorithm needs for one image. Defined in kernels/conv2d.cu.
void checkConvolution(int op, const void* attributes, const View* views);

}  // namespace striate::cuda
