// The windows of a pooling with 32-bit indices.
#pragma once
#include "cuda/pixels.h"
#include "ops/window.h"

namespace striate::cuda {

using Windows = ops::BasicWindowAxis<std::int32_t>;

// Throws where an index of the axis would not fit.
inline Windows windows(const ops::WindowAxis& axis) {
  if (axis.extent + axis.padBefore + axis.padAfter + axis.size + axis.stride > INT32_MAX)
    throw Failure{cudaErrorInvalidValue, "narrowing a window's axis", "extent, window and stride exceed 2^31"};
  const auto narrow = [](std::int64_t v) { return static_cast<std::int32_t>(v); };
  return {narrow(axis.extent),    narrow(axis.size),     narrow(axis.stride),
          narrow(axis.padBefore), narrow(axis.padAfter), narrow(axis.outputs)};
}

}  // namespace striate::cuda
