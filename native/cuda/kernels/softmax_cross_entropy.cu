// Softmax, its cross-entropy and their gradient; see ops/softmax_cross_entropy.h. A warp takes a row.
// Must move: logits once (and dx once); rows of more classes than a warp holds in registers are read a
// second and third time from the cache. The statistics are summed by one block in the order of the rows.
#include "ops/softmax_cross_entropy.h"

#include "cuda/classes.h"

namespace striate::cuda {

using ops::SoftmaxCrossEntropy;

namespace {

// What one row gives, in lane 0 of the warp that reads it.
struct RowLoss {
  float loss;
  int count, top1, top5;
};

__device__ __forceinline__ RowLoss rowLoss(const Rows& logits, const std::int32_t* labels,
                                           std::int32_t ignoreLabel, int row, int lane) {
  const int label = load(labels + row);
  if (label == ignoreLabel) return {0.0f, 0, 0, 0};
  const float* const x = logits.x + row * logits.pitch;
  const float most = rowMaximum(x, logits.columns, lane),
              sum = rowSum(x, logits.columns, lane, most);
  const bool valid = label >= 0 && label < logits.columns;
  const float own = valid ? load(x + label) : NAN;
  const int before = rowRank(x, logits.columns, lane, label, own);
  const float loss = logf(sum) + (most - own);  // logits far from zero lose no digits
  const bool number = loss == loss;
  return {loss, 1, number && before < 1 ? 1 : 0, number && before < 5 ? 1 : 0};
}

__global__ void __launch_bounds__(kThreads)
    lossKernel(Rows logits, const std::int32_t* labels, std::int32_t ignoreLabel, float* losses,
               int* counts) {
  const int row = static_cast<int>((blockIdx.x * kThreads + threadIdx.x) / kWarp),
            lane = static_cast<int>(threadIdx.x) % kWarp;
  if (row >= logits.rows) return;
  const RowLoss r = rowLoss(logits, labels, ignoreLabel, row, lane);
  if (lane != 0) return;
  store(losses + row, r.loss);
  if (r.count != 0) atomicAdd(counts + SoftmaxCrossEntropy::Count, 1);
  if (r.top1 != 0) atomicAdd(counts + SoftmaxCrossEntropy::Top1, 1);
  if (r.top5 != 0) atomicAdd(counts + SoftmaxCrossEntropy::Top5, 1);
}

// The whole of it in one block, where the logits are few: what counts then is the number of launches.
constexpr std::int64_t kFewLogits = std::int64_t(1) << 14;

__global__ void __launch_bounds__(kThreads)
    lossOfFewKernel(Rows logits, const std::int32_t* labels, std::int32_t ignoreLabel,
                    float* losses, float* statistics) {
  constexpr int kWarps = kThreads / kWarp;
  STRIATE_SHARED(double, scratch, kWarps);
  STRIATE_SHARED(int, counts, 4 * kWarps);
  const int warp = static_cast<int>(threadIdx.x) / kWarp,
            lane = static_cast<int>(threadIdx.x) % kWarp;
  int count = 0, top1 = 0, top5 = 0;
  for (int row = warp; row < logits.rows; row += kWarps) {
    const RowLoss r = rowLoss(logits, labels, ignoreLabel, row, lane);
    if (lane == 0) store(losses + row, r.loss);
    count += r.count;
    top1 += r.top1;
    top5 += r.top5;
  }
  if (lane == 0) {
    store(counts + 4 * warp + SoftmaxCrossEntropy::Count, count);
    store(counts + 4 * warp + SoftmaxCrossEntropy::Top1, top1);
    store(counts + 4 * warp + SoftmaxCrossEntropy::Top5, top5);
  }
  __syncthreads();
  const double sum = lossSum(losses, logits.rows, scratch);
  if (threadIdx.x != 0) return;
  store(statistics + SoftmaxCrossEntropy::LossSum, static_cast<float>(sum));
  for (int k = SoftmaxCrossEntropy::Count; k <= SoftmaxCrossEntropy::Top5; ++k) {
    int total = 0;
    for (int w = 0; w < kWarps; ++w) total += load(static_cast<const int*>(counts) + 4 * w + k);
    store(statistics + k, static_cast<float>(total));
  }
}

template <bool Add>
__global__ void __launch_bounds__(kThreads)
    lossGradientKernel(Rows logits, const std::int32_t* labels, std::int32_t ignoreLabel,
                       const float* statistics, const Control* control, float* dx,
                       std::int64_t dxPitch) {
  const int row = static_cast<int>((blockIdx.x * kThreads + threadIdx.x) / kWarp),
            lane = static_cast<int>(threadIdx.x) % kWarp;
  if (row >= logits.rows) return;
  const int label = load(labels + row);
  float* const to = dx + row * dxPitch;
  if (label == ignoreLabel) {
    if (!Add)
      for (int c = lane; c < logits.columns; c += kWarp) store(to + c, 0.0f);
    return;
  }
  const float* const x = logits.x + row * logits.pitch;
  const float most = rowMaximum(x, logits.columns, lane),
              sum = rowSum(x, logits.columns, lane, most);
  const bool valid = label >= 0 && label < logits.columns;
  const float scale =
      static_cast<float>(load(&control->lossScale) /
                         static_cast<double>(load(statistics + SoftmaxCrossEntropy::Count)));
  for (int c = lane; c < logits.columns; c += kWarp) {
    const float probability = expf(load(x + c) - most) / sum;
    const float value = valid ? (probability - (c == label ? 1.0f : 0.0f)) * scale : NAN;
    store(to + c, Add ? load(static_cast<const float*>(to) + c) + value : value);
  }
}

template <bool Add>
__global__ void __launch_bounds__(kThreads)
    softmaxKernel(Rows rows, float* y, std::int64_t yPitch) {
  const int row = static_cast<int>((blockIdx.x * kThreads + threadIdx.x) / kWarp),
            lane = static_cast<int>(threadIdx.x) % kWarp;
  if (row >= rows.rows) return;
  const float* const x = rows.x + row * rows.pitch;
  float* const to = y + row * yPitch;
  const float most = rowMaximum(x, rows.columns, lane), sum = rowSum(x, rows.columns, lane, most);
  for (int c = lane; c < rows.columns; c += kWarp) {
    const float value = expf(load(x + c) - most) / sum;
    store(to + c, Add ? load(static_cast<const float*>(to) + c) + value : value);
  }
}

}  // namespace

void softmax_cross_entropy(const Call& call) {
  const View* v = call.views;
  const cudaStream_t stream = call.context.stream;
  const Rows x = rowsOf(v[0]);
  const std::int64_t items = std::int64_t(x.rows) * kWarp;
  if (call.op == SoftmaxCrossEntropy::Softmax)
    return launchItems("softmax", v[1].accumulates() ? softmaxKernel<true> : softmaxKernel<false>,
                       items, stream, x, v[1].as<float>(), v[1].pitch);
  const std::int32_t ignore =
      static_cast<const SoftmaxCrossEntropy::Attributes*>(call.attributes)->ignoreLabel;
  const auto* const labels = v[1].as<const std::int32_t>();
  if (call.op == SoftmaxCrossEntropy::Forward) {
    if (std::int64_t(x.rows) * x.columns <= kFewLogits)
      return launchItems("softmaxCrossEntropy", lossOfFewKernel, kThreads, stream, x, labels,
                         ignore, v[2].as<float>(), v[3].as<float>());
    check(cudaMemsetAsync(v[3].data, 0, 4 * sizeof(float), stream),
          "cudaMemsetAsync of the statistics");
    launchItems("softmaxCrossEntropy", lossKernel, items, stream, x, labels, ignore,
                v[2].as<float>(), v[3].as<int>());
    launchItems("statistics", statisticsKernel, kThreads, stream,
                static_cast<const float*>(v[2].as<float>()), x.rows, v[3].as<float>());
    return;
  }
  launchItems("softmaxCrossEntropyBackward",
              v[3].accumulates() ? lossGradientKernel<true> : lossGradientKernel<false>, items,
              stream, x, labels, ignore, static_cast<const float*>(v[2].as<float>()),
              static_cast<const Control*>(call.context.control), v[3].as<float>(), v[3].pitch);
}

}  // namespace striate::cuda
