// Cross-entropy with weighted classes and distributions as targets; see ops/weighted_cross_entropy.h. A
// warp takes a row.
// Must move: logits once, a given target once (and dx once); rows are read again from the cache, as in
// softmax_cross_entropy.cu. The statistics are summed by one block in the order of the rows.
#include "ops/weighted_cross_entropy.h"

#include "cuda/classes.h"

namespace striate::cuda {

using ops::WeightedCrossEntropy;

namespace {

struct Targets {
  const std::int32_t* labels;  // or a distribution a row:
  const float* given;
  std::int64_t pitch;
  const float* weights;  // or null
  std::int32_t ignoreLabel;
  float keep, share;  // 1 - labelSmoothing, labelSmoothing / C
};

// One row of them; every lane of the warp has the same.
template <bool Soft>
struct RowTarget {
  const float* given;
  const float* weights;
  float keep, share;
  int label;  // -1 where it is none
  bool ignored;

  __device__ __forceinline__ RowTarget(const Targets& t, const Rows& logits, int row, int lane)
      : given(Soft ? t.given + row * t.pitch : nullptr),
        weights(t.weights),
        keep(t.keep),
        share(t.share),
        label(-1),
        ignored(false) {
    if constexpr (!Soft) {
      const int own = load(t.labels + row);
      ignored = own == t.ignoreLabel;
      label = own >= 0 && own < logits.columns ? own : -1;
      (void)lane;
    } else {
      // The largest entry, the first of equals.
      float most = -INFINITY;
      int at = 0;
      for (int c = lane; c < logits.columns; c += kWarp) {
        const float u = load(given + c);
        if (u > most || c == lane) most = u, at = c;
      }
      if (lane >= logits.columns) at = logits.columns;
#pragma unroll
      for (int d = kWarp / 2; d > 0; d /= 2) {
        const float otherMost = __shfl_xor_sync(kAllLanes, most, d);
        const int otherAt = __shfl_xor_sync(kAllLanes, at, d);
        const bool first = otherMost > most || (otherMost == most && otherAt < at);
        if (otherAt < logits.columns && (first || at == logits.columns))
          most = otherMost, at = otherAt;
      }
      label = __shfl_sync(kAllLanes, at, 0);
    }
  }

  // w_c t_c.
  __device__ __forceinline__ float operator()(int c) const {
    float u;
    if constexpr (Soft)
      u = load(given + c);
    else
      u = c == label ? 1.0f : 0.0f;
    const float t = keep * u + share;
    return weights != nullptr ? load(weights + c) * t : t;
  }
};

template <bool Soft>
__global__ void __launch_bounds__(kThreads)
    weightedLossKernel(Rows logits, Targets targets, float* losses, int* counts) {
  const int row = static_cast<int>((blockIdx.x * kThreads + threadIdx.x) / kWarp),
            lane = static_cast<int>(threadIdx.x) % kWarp;
  if (row >= logits.rows) return;
  const RowTarget<Soft> target(targets, logits, row, lane);
  if (target.ignored) {
    if (lane == 0) store(losses + row, 0.0f);
    return;
  }
  const float* const x = logits.x + row * logits.pitch;
  const float most = rowMaximum(x, logits.columns, lane),
              logSum = logf(rowSum(x, logits.columns, lane, most));
  float sum = target.label >= 0 ? 0.0f : NAN;
  for (int c = lane; c < logits.columns; c += kWarp)
    sum += target(c) * ((most - load(x + c)) + logSum);
  sum = warpSum(sum);
  const float own = target.label >= 0 ? load(x + target.label) : NAN;
  const int before = rowRank(x, logits.columns, lane, target.label, own);
  if (lane == 0) reportRow(row, sum, before, losses, counts);
}

// Integers counted by the rows become numbers in place; then the divisor.
template <bool Soft>
__global__ void __launch_bounds__(kThreads)
    weightedStatisticsKernel(const float* losses, std::int32_t rows, std::int32_t columns,
                             Targets targets, float* statistics) {
  STRIATE_SHARED(double, scratch, kThreads / kWarp);
  STRIATE_SHARED(double, weightScratch, kThreads / kWarp);
  double weight = 0;
  for (int i = static_cast<int>(threadIdx.x); i < rows; i += kThreads) {
    if constexpr (Soft) {
      weight += 1;
    } else {
      const int label = load(targets.labels + i);
      if (label == targets.ignoreLabel || label < 0 || label >= columns) continue;
      weight += targets.weights != nullptr ? static_cast<double>(load(targets.weights + label)) : 1;
    }
  }
  const double divisor = blockSum<kThreads>(weight, weightScratch),
               sum = lossSum(losses, rows, scratch);
  if (threadIdx.x != 0) return;
  writeStatistics(sum, statistics);
  store(statistics + WeightedCrossEntropy::kDivisor, static_cast<float>(divisor));
}

template <bool Soft, bool Add>
__global__ void __launch_bounds__(kThreads)
    weightedGradientKernel(Rows logits, Targets targets, const float* statistics,
                           const Control* control, float* dx, std::int64_t dxPitch) {
  const int row = static_cast<int>((blockIdx.x * kThreads + threadIdx.x) / kWarp),
            lane = static_cast<int>(threadIdx.x) % kWarp;
  if (row >= logits.rows) return;
  const RowTarget<Soft> target(targets, logits, row, lane);
  const float* const x = logits.x + row * logits.pitch;
  float* const to = dx + row * dxPitch;
  float factor = 0, most = 0;
  if (!target.ignored) {
    float mass = 0;
    for (int c = lane; c < logits.columns; c += kWarp) mass += target(c);
    mass = warpSum(mass);
    most = rowMaximum(x, logits.columns, lane);
    factor = target.label >= 0 ? mass / rowSum(x, logits.columns, lane, most) : NAN;
  }
  const float scale =
      static_cast<float>(load(&control->lossScale) /
                         static_cast<double>(load(statistics + WeightedCrossEntropy::kDivisor)));
  for (int c = lane; c < logits.columns; c += kWarp) {
    const float value =
        target.ignored ? 0.0f : (expf(load(x + c) - most) * factor - target(c)) * scale;
    store(to + c, Add ? load(static_cast<const float*>(to) + c) + value : value);
  }
}

template <bool Soft>
void run(const Call& call, const Targets& targets) {
  const View* v = call.views;
  const cudaStream_t stream = call.context.stream;
  const Rows x = rowsOf(v[0]);
  const std::int64_t items = std::int64_t(x.rows) * kWarp;
  const bool forward =
      call.op == WeightedCrossEntropy::Forward || call.op == WeightedCrossEntropy::SoftForward;
  if (!forward)
    return launchItems("weightedCrossEntropyBackward",
                       v[4].accumulates() ? weightedGradientKernel<Soft, true>
                                          : weightedGradientKernel<Soft, false>,
                       items, stream, x, targets, static_cast<const float*>(v[3].as<float>()),
                       static_cast<const Control*>(call.context.control), v[4].as<float>(),
                       v[4].pitch);
  check(cudaMemsetAsync(v[4].data, 0, 5 * sizeof(float), stream),
        "cudaMemsetAsync of the statistics");
  launchItems("weightedCrossEntropy", weightedLossKernel<Soft>, items, stream, x, targets,
              v[3].as<float>(), v[4].as<int>());
  launchItems("weightedStatistics", weightedStatisticsKernel<Soft>, kThreads, stream,
              static_cast<const float*>(v[3].as<float>()), x.rows, x.columns, targets,
              v[4].as<float>());
}

}  // namespace

void weighted_cross_entropy(const Call& call) {
  const auto& a = *static_cast<const WeightedCrossEntropy::Attributes*>(call.attributes);
  const View *v = call.views, &target = v[1];
  const bool soft = call.op >= WeightedCrossEntropy::SoftForward;
  const Targets targets{soft ? nullptr : target.as<const std::int32_t>(),
                        soft ? target.as<const float>() : nullptr,
                        soft ? target.pitch : 0,
                        v[2] ? v[2].as<const float>() : nullptr,
                        a.ignoreLabel,
                        1.0f - a.labelSmoothing,
                        a.labelSmoothing / static_cast<float>(v[0].size[1])};
  if (soft)
    run<true>(call, targets);
  else
    run<false>(call, targets);
}

}  // namespace striate::cuda
