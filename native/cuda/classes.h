// Rows of logits, a warp to a row, and what the losses over classes report.
#pragma once
#include "cuda/block_sum.h"
#include "cuda/kernel.h"
#include "ops/softmax_cross_entropy.h"

namespace striate::cuda {

constexpr int kWarp = 32;
constexpr unsigned kAllLanes = 0xffffffffu;

struct Rows {
  const float* x;
  std::int64_t pitch;
  std::int32_t rows, columns;
};

// NaN is larger than everything, so that it reaches the sums.
__device__ __forceinline__ float larger(float a, float b) { return a != a || a > b ? a : b; }

__device__ __forceinline__ float rowMaximum(const float* row, int columns, int lane) {
  float most = -INFINITY;
  for (int c = lane; c < columns; c += kWarp) most = larger(load(row + c), most);
#pragma unroll
  for (int d = kWarp / 2; d > 0; d /= 2) most = larger(__shfl_xor_sync(kAllLanes, most, d), most);
  return most;
}

__device__ __forceinline__ float rowSum(const float* row, int columns, int lane, float most) {
  float sum = 0;
  for (int c = lane; c < columns; c += kWarp) sum += expf(load(row + c) - most);
  return warpSum(sum);
}

// How many logits come before `own`, that of the label.
__device__ __forceinline__ int rowRank(const float* row, int columns, int lane, int label,
                                       float own) {
  int before = 0;
  for (int c = lane; c < columns; c += kWarp) {
    const float other = load(row + c);
    before += other > own || (other == own && c < label) ? 1 : 0;
  }
  return warpSum(before);
}

// Writes a row's loss and counts it, from lane 0. Integers: the order does not matter.
__device__ __forceinline__ void reportRow(int row, float loss, int before, float* losses,
                                          int* counts) {
  store(losses + row, loss);
  atomicAdd(counts + ops::SoftmaxCrossEntropy::Count, 1);
  if (loss != loss) return;
  if (before < 1) atomicAdd(counts + ops::SoftmaxCrossEntropy::Top1, 1);
  if (before < 5) atomicAdd(counts + ops::SoftmaxCrossEntropy::Top5, 1);
}

// The sum of all losses in a fixed order, in thread 0.
__device__ __forceinline__ double lossSum(const float* losses, std::int32_t rows, double* scratch) {
  double sum = 0;
  for (int i = static_cast<int>(threadIdx.x); i < rows; i += kThreads)
    sum += static_cast<double>(load(losses + i));
  return blockSum<kThreads>(sum, scratch);
}

// From one thread: integers counted by the rows become numbers in place.
__device__ __forceinline__ void writeStatistics(double sum, float* statistics) {
  using ops::SoftmaxCrossEntropy;
  store(statistics + SoftmaxCrossEntropy::LossSum, static_cast<float>(sum));
  for (int k = SoftmaxCrossEntropy::Count; k <= SoftmaxCrossEntropy::Top5; ++k)
    store(statistics + k, static_cast<float>(load(reinterpret_cast<const int*>(statistics) + k)));
}

[[maybe_unused]] static __global__ void __launch_bounds__(kThreads)
    statisticsKernel(const float* losses, std::int32_t rows, float* statistics) {
  STRIATE_SHARED(double, scratch, kThreads / kWarp);
  const double sum = lossSum(losses, rows, scratch);
  if (threadIdx.x == 0) writeStatistics(sum, statistics);
}

inline Rows rowsOf(const View& v) {
  return {v.as<float>(), v.pitch, static_cast<std::int32_t>(v.pixels()),
          static_cast<std::int32_t>(v.channels())};
}

}  // namespace striate::cuda
