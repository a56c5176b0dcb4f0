// How the CUDA library's own code reports a failed call. It is thrown inside the library and becomes a
// status at the library's border.
#pragma once
#include <cuda_runtime.h>

#include <string>

namespace striate::cuda {

struct Failure {
  cudaError_t error;
  std::string call;     // "launch of maxPoolKernel", "cudaMalloc of 4096 bytes"
  std::string message;  // the library's own words

  std::string text() const { return call + " failed: " + message; }
};

inline void check(cudaError_t error, const std::string& call) {
  if (error != cudaSuccess)
    throw Failure{error, call,
                  std::string(cudaGetErrorName(error)) + ", " + cudaGetErrorString(error)};
}

}  // namespace striate::cuda
