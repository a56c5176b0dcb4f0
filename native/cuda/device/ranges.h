// Named ranges for NVIDIA's profilers; nothing without their header.
#pragma once
#include <cuda_runtime.h>

#if !defined(STRIATE_EMULATOR) && defined(__has_include)
#if __has_include(<nvtx3/nvToolsExt.h>)
#include <nvtx3/nvToolsExt.h>
#define STRIATE_NVTX 1
#endif
#endif

namespace striate::cuda {

class NamedRange {
 public:
#if defined(STRIATE_NVTX)
  explicit NamedRange(const char* name) : open_(name != nullptr) {
    if (open_) nvtxRangePushA(name);
  }
  ~NamedRange() {
    if (open_) nvtxRangePop();
  }

 private:
  bool open_;
#else
  explicit NamedRange(const char*) {}
#endif
};

}  // namespace striate::cuda
