// Rows of logits and the place of a label among them, for the losses over classes.
#pragma once
#include "cpu/rows.h"
#include "cpu/vector_math.h"

#if defined(STRIATE_ISA)
namespace striate::cpu::STRIATE_ISA {

// Independent partial results, so that sums and maxima vectorise in a fixed order.
constexpr int kPartials = 16;

// The largest element; NaN is passed over (the sum of the exponentials keeps it).
template <class T>
STRIATE_HD T largest(const T* x, std::int64_t count) {
  T lanes[kPartials];
  for (T& lane : lanes) lane = T(-__builtin_inf());
  std::int64_t i = 0;
  for (; i + kPartials <= count; i += kPartials)
    for (int k = 0; k < kPartials; ++k) lanes[k] = x[i + k] > lanes[k] ? x[i + k] : lanes[k];
  for (int k = 0; i < count; ++i, ++k) lanes[k] = x[i] > lanes[k] ? x[i] : lanes[k];
  T result = lanes[0];
  for (T lane : lanes) result = lane > result ? lane : result;
  return result;
}

// Sum of exp(x - max), in double.
template <class T>
STRIATE_HD double sumOfExponentials(const T* x, std::int64_t count, T max) {
  constexpr std::int64_t kBlock = 16 * kPartials;
  double lanes[kPartials] = {};
  T block[kBlock];
  for (std::int64_t b = 0; b < count; b += kBlock) {
    const std::int64_t n = smaller(kBlock, count - b);
    for (std::int64_t i = 0; i < n; ++i) block[i] = exponential(x[b + i] - max);
    std::int64_t i = 0;
    for (; i + kPartials <= n; i += kPartials)
      for (int k = 0; k < kPartials; ++k) lanes[k] += double(block[i + k]);
    for (int k = 0; i < n; ++i, ++k) lanes[k] += double(block[i]);
  }
  double sum = 0;
  for (double lane : lanes) sum += lane;
  return sum;
}

// How many logits come before that of the label.
template <class T>
STRIATE_HD std::int32_t rankOf(const T* x, std::int64_t count, std::int64_t label) {
  const T own = x[label];
  std::int32_t rank = 0;
  for (std::int64_t i = 0; i < label; ++i) rank += x[i] >= own;
  for (std::int64_t i = label + 1; i < count; ++i) rank += x[i] > own;
  return rank;
}

// The numbers that the losses over classes report, in the order of `statistics`.
struct ClassCounts {
  std::int64_t rows = 0, first = 0, five = 0;

  STRIATE_HD void add(std::int32_t rank) {
    first += rank < 1;
    five += rank < 5;
  }
  // Integers: the order does not matter.
  STRIATE_HD void addAtomically(const ClassCounts& other) {
    __atomic_fetch_add(&rows, other.rows, __ATOMIC_RELAXED);
    __atomic_fetch_add(&first, other.first, __ATOMIC_RELAXED);
    __atomic_fetch_add(&five, other.five, __ATOMIC_RELAXED);
  }
  template <class T>
  STRIATE_HD void write(const T* losses, std::int64_t n, T* statistics) const {
    double sum = 0;
    for (std::int64_t i = 0; i < n; ++i) sum += double(losses[i]);
    const double values[] = {sum, double(rows), double(first), double(five)};
    for (int k = 0; k < 4; ++k) statistics[k] = T(values[k]);
  }
};

}  // namespace striate::cpu::STRIATE_ISA
#endif
