// Starts a kernel. `kThreads` is the bound that stands in the kernel's __launch_bounds__.
#pragma once
#include <cuda_runtime.h>

#include <tuple>
#include <utility>

namespace striate::cuda {

struct Geometry {
  dim3 grid;
  dim3 block;
  std::size_t dynamicShared = 0;
};

template <int kThreads, class... Parameters, class... Arguments>
cudaError_t launch(const char* name, void (*kernel)(Parameters...), const Geometry& g,
                   cudaStream_t stream, Arguments&&... arguments) {
  static_assert(kThreads >= 32 && kThreads <= 1024, "a block has 32 to 1024 threads");
  std::tuple<Parameters...> values(std::forward<Arguments>(arguments)...);
  static_assert(sizeof(values) <= 4096, "CUDA passes at most 4 KB of parameters");
#if defined(STRIATE_EMULATOR)
  return emulator::launchKernel(name, reinterpret_cast<const void*>(kernel), kThreads, g.grid.x,
                                g.grid.y, g.grid.z, g.block.x, g.block.y, g.block.z,
                                g.dynamicShared, sizeof(values), stream,
                                [kernel, values] { std::apply(kernel, values); });
#else
  (void)name;
  return std::apply(
      [&](Parameters&... each) {
        void* pointers[] = {const_cast<void*>(static_cast<const void*>(&each))..., nullptr};
        return cudaLaunchKernel(reinterpret_cast<const void*>(kernel), g.grid, g.block, pointers,
                                g.dynamicShared, stream);
      },
      values);
#endif
}

}  // namespace striate::cuda
