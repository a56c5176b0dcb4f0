// Tells the emulator what the instruction that is being issued may touch: the bytes of its views and the
// control block. What it overwrites holds no value before its first launch, so that a stale read is found.
// Nothing on a real device.
#pragma once
#include <cuda_runtime.h>

#include "ops/op.h"
#include "ops/view.h"

#if defined(STRIATE_EMULATOR)
#include <memory>
#include <mutex>
#include <vector>

#include "emulator/runtime.h"
#endif

namespace striate::cuda {

class Watch {
 public:
#if defined(STRIATE_EMULATOR)
  Watch(const OpInfo& op, const View* views, Control* control);
  ~Watch();
  // An eager op's scratch may be read by the host afterwards, as any memory.
  void defineWorkspace(const OpInfo& op, const View* views, cudaStream_t stream);

 private:
  std::lock_guard<std::recursive_mutex> lock_;
#else
  Watch(const OpInfo&, const View*, Control*) {}
#endif
};

}  // namespace striate::cuda
