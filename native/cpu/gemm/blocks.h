// Sizes of the blocked matrix multiplication C[M,N] += A[M,K] * B[K,N], one table for an instruction
// set and element type. Names as in BLIS (Van Zee and van de Geijn, TOMS 41(3), 2015).
//
// A micro-kernel holds MR rows of NV vectors of C in registers: MR*NV accumulators, NV vectors of B and
// one or two broadcasts of A, so (MR + 1)*NV + 2 registers at most. A panel of B, KC rows of NR = NV
// vectors, stays in the first-level cache while the rows of A pass by; the packed block of A, MC rows,
// stays in the second level, in the thread's scratch memory.
#pragma once
#include "cpu/simd.h"
#include "cpu/threads.h"

#if defined(STRIATE_ISA)
namespace striate::cpu::STRIATE_ISA {

template <class T>
struct Blocks {
#if defined(__AVX512F__)
  static constexpr int MR = 14, NV = 2, KC = 256;  // 32 registers
#elif defined(__AVX2__)
  static constexpr int MR = 6, NV = 2, KC = 256;  // 16 registers
#elif defined(__aarch64__)
  static constexpr int MR = 12, NV = 2, KC = 256;  // 32 registers
#else
  static constexpr int MR = 4, NV = 2, KC = 256;  // 16 registers, a product needs one of its own
#endif
  static constexpr int NR = NV * kLanes<T>;
  // Most rows of A that are packed at a time.
  static constexpr int MC = 112 / MR * MR;
  // Packed rows of A: room for a whole vector behind the last element, which also keeps the distance
  // of two rows off a power of two.
  static constexpr int kRowStride = KC + kLanes<T>;
  // Packed columns of A (gradient by the filters): the panel's MR rows lie next to each other, one
  // group a step of the reduction, whole vectors apart.
  static constexpr int kColumnStride = (MR + kLanes<T> - 1) / kLanes<T> * kLanes<T>;
};

// Elements from row to row where a matrix A lies in slices of 128 columns (winograd/).
template <class T>
constexpr int kShortRowStride = 128 + kLanes<T>;

}  // namespace striate::cpu::STRIATE_ISA
#endif
