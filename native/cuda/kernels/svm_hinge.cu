// The multiclass hinge and its gradient; see ops/svm_hinge.h. A warp takes a row.
// Must move: logits once (and dx once); moves that, the second reading of a row (its rank, the label's
// gradient) being from the cache. The statistics are summed by one block in the order of the rows.
#include "ops/svm_hinge.h"

#include "cuda/classes.h"

namespace striate::cuda {

using ops::SvmHinge;

namespace {

template <bool Squared>
__global__ void __launch_bounds__(kThreads)
    hingeKernel(Rows logits, const std::int32_t* labels, SvmHinge::Attributes a, float* losses,
                int* counts) {
  const int row = static_cast<int>((blockIdx.x * kThreads + threadIdx.x) / kWarp),
            lane = static_cast<int>(threadIdx.x) % kWarp;
  if (row >= logits.rows) return;
  const int label = load(labels + row);
  if (label == a.ignoreLabel) {
    if (lane == 0) store(losses + row, 0.0f);
    return;
  }
  const float* const x = logits.x + row * logits.pitch;
  const bool valid = label >= 0 && label < logits.columns;
  const float own = valid ? load(x + label) : NAN;
  float sum = valid ? 0.0f : NAN;
  for (int c = lane; c < logits.columns; c += kWarp) {
    const float other = load(x + c);
    if (c != label) sum += SvmHinge::loss<Squared>(other + (a.margin - own));
  }
  sum = warpSum(sum);
  const int before = rowRank(x, logits.columns, lane, label, own);
  if (lane == 0) reportRow(row, sum, before, losses, counts);
}

template <bool Squared, bool Add>
__global__ void __launch_bounds__(kThreads)
    hingeGradientKernel(Rows logits, const std::int32_t* labels, SvmHinge::Attributes a,
                        const float* statistics, const Control* control, float* dx,
                        std::int64_t dxPitch) {
  const int row = static_cast<int>((blockIdx.x * kThreads + threadIdx.x) / kWarp),
            lane = static_cast<int>(threadIdx.x) % kWarp;
  if (row >= logits.rows) return;
  const int label = load(labels + row);
  const float* const x = logits.x + row * logits.pitch;
  float* const to = dx + row * dxPitch;
  const bool ignored = label == a.ignoreLabel, valid = label >= 0 && label < logits.columns;
  const float own = valid ? load(x + label) : NAN;
  const float scale =
      static_cast<float>(load(&control->lossScale) / static_cast<double>(load(statistics + 1)));
  // dx may be logits: every lane has the label's logit before one of them writes there.
  __syncwarp();
  float sum = 0;
  for (int c = lane; c < logits.columns; c += kWarp) {
    if (c == label && !ignored) continue;
    const float slope = ignored ? 0.0f : SvmHinge::slope<Squared>(load(x + c) + (a.margin - own));
    sum += slope;
    const float value = ignored ? 0.0f : slope * scale;
    store(to + c, Add ? load(static_cast<const float*>(to) + c) + value : value);
  }
  sum = warpSum(sum);
  if (lane != 0 || ignored || !valid) return;
  const float value = -sum * scale;
  store(to + label, Add ? load(static_cast<const float*>(to) + label) + value : value);
}

template <bool Squared>
void run(const Call& call, const SvmHinge::Attributes& a) {
  const View* v = call.views;
  const cudaStream_t stream = call.context.stream;
  const Rows x = rowsOf(v[0]);
  const std::int64_t items = std::int64_t(x.rows) * kWarp;
  const auto* const labels = v[1].as<const std::int32_t>();
  if (call.op == SvmHinge::Backward)
    return launchItems("svmHingeBackward",
                       v[3].accumulates() ? hingeGradientKernel<Squared, true>
                                          : hingeGradientKernel<Squared, false>,
                       items, stream, x, labels, a, static_cast<const float*>(v[2].as<float>()),
                       static_cast<const Control*>(call.context.control), v[3].as<float>(),
                       v[3].pitch);
  check(cudaMemsetAsync(v[3].data, 0, 4 * sizeof(float), stream),
        "cudaMemsetAsync of the statistics");
  launchItems("svmHinge", hingeKernel<Squared>, items, stream, x, labels, a, v[2].as<float>(),
              v[3].as<int>());
  launchItems("statistics", statisticsKernel, kThreads, stream,
              static_cast<const float*>(v[2].as<float>()), x.rows, v[3].as<float>());
}

}  // namespace

void svm_hinge(const Call& call) {
  const auto& a = *static_cast<const SvmHinge::Attributes*>(call.attributes);
  if (a.squared != 0)
    run<true>(call, a);
  else
    run<false>(call, a);
}

}  // namespace striate::cuda
