// What the launchers of native/cuda/kernels receive. One function a family, named as its file; it enqueues
// the op's kernels on the stream and never waits. It is called while a graph is captured, so it may
// neither allocate nor read device memory; what changes from step to step is read by the kernels from
// the control block.
#pragma once
#include <cuda_runtime.h>

#include "cuda/access.h"
#include "cuda/failure.h"
#include "cuda/launch.h"
#include "ops/op.h"

namespace striate::cuda {

class Blas;

struct Context {
  cudaStream_t stream;
  Control* control;  // device memory
  Blas* blas;
};

struct Call {
  int op;                  // position within the family
  const void* attributes;  // the family's packed struct, host memory
  const View* views;       // in the order of the op's operands; `data` is device memory
  Context& context;
};

using Kernel = void (*)(const Call&);

constexpr int kThreads = 256;
// Blocks that a multiprocessor shall hold at once: the second bound of kernels for which the compiler would
// otherwise spill registers in the hope of more. Four leave 64 registers to a thread.
constexpr int kBlocks = 4;
// The same for kernels that hold a tile of sums: 128 registers.
constexpr int kFewBlocks = 2;

inline std::int64_t ceilDivide(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

// Kernels index with 32 bits; launchers cut what is larger into launches of at most this many items.
constexpr std::int64_t kMostItems = std::int64_t(1) << 30;

// One thread an item, kThreads a block.
template <class... Parameters, class... Arguments>
void launchItems(const char* name, void (*kernel)(Parameters...), std::int64_t items,
                 cudaStream_t stream, Arguments&&... arguments) {
  const Geometry g{dim3(static_cast<unsigned>(ceilDivide(items, kThreads))), dim3(kThreads), 0};
  check(launch<kThreads>(name, kernel, g, stream, std::forward<Arguments>(arguments)...),
        std::string("launch of ") + name);
}

}  // namespace striate::cuda
