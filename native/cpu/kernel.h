// What a CPU kernel receives, and how one source becomes one kernel for each instruction set.
//
// Every file of `native/cpu/<op>.cpp` and `native/cpu/gemm/*.cpp` is compiled once for each instruction
// set with STRIATE_ISA naming it, and puts all that it defines into `striate::cpu::STRIATE_ISA`. The
// device chooses one set at start. float64 exists in the baseline alone. Kernels neither throw nor
// allocate: arguments were checked, scratch memory belongs to the thread pool.
#pragma once
#include "cpu/threads.h"
#include "ops/view.h"

namespace striate::cpu {

struct Context {
  ThreadPool& threads;
  Control& control;
};

struct Call {
  int op;                  // position within the family
  const void* attributes;  // the family's packed struct
  const View* views;       // in the order of the op's operands
  Context& context;
};

using Kernel = void (*)(const Call&);

}  // namespace striate::cpu

#if defined(STRIATE_ISA)
namespace striate::cpu::STRIATE_ISA {

// Calls `f(T())` for the element type; float64 in the baseline only.
template <class F>
STRIATE_HD void forFloatType(DType type, F&& f) {
#if defined(STRIATE_BASELINE)
  if (type == DType::Float64) return f(double());
#endif
  (void)type;
  f(float());
}

}  // namespace striate::cpu::STRIATE_ISA
#endif
