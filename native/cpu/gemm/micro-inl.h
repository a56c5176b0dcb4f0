// The micro-kernel: Rows x (NV vectors) of C in registers, one step of the reduction at a time. One
// instance for each number of rows and vectors, so that edge tiles compute little more than they need.
#pragma once
#include <utility>

#include "cpu/gemm/blocks.h"

#if defined(STRIATE_ISA)
namespace striate::cpu::STRIATE_ISA {

// How A is packed: each row contiguous (kRowStride or kShortRowStride apart), or each column (`aStride`
// apart).
enum class Packing { Rows, ShortRows, Columns };

// C[rows, columns] (+)= A[rows, depth] * B[depth, columns], then + bias, then rectified.
template <class T>
struct Tile {
  const T* a;
  std::int64_t aStride;  // elements between two columns, where these are contiguous
  const T* b;
  std::int64_t bStride;  // elements between two rows of B
  std::int64_t depth;
  T* c;
  const std::int64_t* offset;  // of each row of C, in elements
  int rows;
  int columns;
  bool add;  // to what C holds; without it C is not read and may hold NaN
  bool relu;
  const T* bias;  // null: none
};

template <class T>
STRIATE_HD Vector<T> finish(Vector<T> sum, const Tile<T>& t, int column, Vector<T> old) {
  if (t.add) sum += old;
  if (t.bias) {
    const std::int64_t left = t.columns - column;
    const bool whole = left >= kLanes<T>;
    sum += whole ? load(t.bias + column) : loadPartial(t.bias + column, left);
  }
  return t.relu ? rectify<T>(sum) : sum;
}

template <class T, Packing kPacking, int Rows, int Vectors>
void multiplyTile(const Tile<T>& t) {
  constexpr int kLane = kLanes<T>;
  constexpr int kRow = kPacking == Packing::Rows        ? Blocks<T>::kRowStride
                       : kPacking == Packing::ShortRows ? kShortRowStride<T>
                                                        : 1;
  constexpr int kAhead = 32;
  const std::int64_t step = kPacking == Packing::Columns ? t.aStride : 1;
  Vector<T> sum[Rows][Vectors] = {};
  const T* a = t.a;
  const T* b = t.b;
  // C is wanted at the end of the reduction, some rows of B soon: the hardware's prefetchers stop at
  // the borders of pages, of which a panel crosses many.
#pragma GCC unroll 16
  for (int i = 0; i < Rows; ++i) {
    const T* c = t.c + t.offset[i < t.rows ? i : 0];
#pragma GCC unroll 4
    for (int v = 0; v < Vectors; ++v) __builtin_prefetch(c + v * kLane, 1);
  }
#pragma GCC unroll 2
  for (std::int64_t k = 0; k < t.depth; ++k) {
    Vector<T> right[Vectors];
#pragma GCC unroll 4
    for (int v = 0; v < Vectors; ++v) right[v] = load(b + v * kLane);
#pragma GCC unroll 16
    for (int i = 0; i < Rows; ++i) {
      const Vector<T> left = splat(a[i * kRow]);
#pragma GCC unroll 4
      for (int v = 0; v < Vectors; ++v) sum[i][v] += left * right[v];
    }
#pragma GCC unroll 4
    for (int v = 0; v < Vectors; ++v) __builtin_prefetch(b + kAhead * t.bStride + v * kLane);
    a += step;
    b += t.bStride;
  }
  const bool plain = !t.bias && !t.relu && t.columns == Vectors * kLane;
#pragma GCC unroll 16
  for (int i = 0; i < Rows; ++i) {
    if (i >= t.rows) return;
    T* c = t.c + t.offset[i];
    if (plain) {
#pragma GCC unroll 4
      for (int v = 0; v < Vectors; ++v)
        store(c + v * kLane, t.add ? sum[i][v] + load(c + v * kLane) : sum[i][v]);
      continue;
    }
#pragma GCC unroll 4
    for (int v = 0; v < Vectors; ++v) {
      const std::int64_t left = t.columns - v * kLane;
      if (left >= kLane) {
        const Vector<T> old = t.add ? load(c + v * kLane) : Vector<T>{};
        store(c + v * kLane, finish(sum[i][v], t, v * kLane, old));
      } else {
        const Vector<T> old = t.add ? loadPartial(c + v * kLane, left) : Vector<T>{};
        storePartial(c + v * kLane, finish(sum[i][v], t, v * kLane, old), left);
      }
    }
  }
}

template <class T>
using MicroKernel = void (*)(const Tile<T>&);

// Kernels for 1, 2, 4, 6, ... rows; the last row of an odd number is computed and not stored.
template <class T, Packing kPacking, int Vectors, int... Pairs>
STRIATE_HD MicroKernel<T> kernelOf(int rows, std::integer_sequence<int, Pairs...>) {
  static constexpr MicroKernel<T> kernels[] = {
      multiplyTile<T, kPacking, 1, Vectors>,
      multiplyTile<T, kPacking, 2 * (Pairs + 1), Vectors>...};
  return kernels[rows / 2 + (rows > 1 ? rows % 2 : 0)];
}

template <class T, Packing kPacking>
STRIATE_HD void multiply(const Tile<T>& t) {
  static_assert(Blocks<T>::MR % 2 == 0 && Blocks<T>::NV == 2);
  using Pairs = std::make_integer_sequence<int, Blocks<T>::MR / 2>;
  if (t.columns > kLanes<T>)
    kernelOf<T, kPacking, 2>(t.rows, Pairs{})(t);
  else
    kernelOf<T, kPacking, 1>(t.rows, Pairs{})(t);
}

}  // namespace striate::cpu::STRIATE_ISA
#endif
