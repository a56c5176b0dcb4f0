// Sum and mean of all elements, and their gradient; see ops/reduce.h. Must move: x once (broadcast: y
// once); moves that, and 64 partial sums. Part p takes the rows of 4096 bytes p, p + parts, ...: a
// fixed order for a given shape. Sums run in double.
#include "ops/reduce.h"

#include "cuda/block_sum.h"
#include "cuda/elementwise.h"

namespace striate::cuda {

using ops::Reduce;

namespace {

template <class S>
struct ReduceArguments {
  const S* x;
  std::int64_t pitch;
  std::int64_t pixels;
  std::uint32_t channels;
};

// Dense and aligned views are one row of packets, others are read element by element.
template <bool Whole, class S>
__global__ void __launch_bounds__(kThreads) partialSumKernel(ReduceArguments<S> a, double* parts) {
  constexpr int kWidth = kMostWidth<S>;
  STRIATE_SHARED(double, scratch, kThreads / 32);
  const std::int64_t elements = a.pixels * a.channels,
                     stride = std::int64_t(gridDim.x) * kThreads * kWidth;
  double sum = 0;
  for (std::int64_t i = (std::int64_t(blockIdx.x) * kThreads + threadIdx.x) * kWidth; i < elements;
       i += stride) {
    if (Whole && i + kWidth <= elements) {
      const Packet<float, kWidth> p = loadFloats<kWidth>(a.x + i);
#pragma unroll
      for (int e = 0; e < kWidth; ++e) sum += static_cast<double>(p.values[e]);
      continue;
    }
#pragma unroll 1
    for (std::int64_t e = i; e < i + kWidth && e < elements; ++e)
      sum += static_cast<double>(loadFloat(a.x + e / a.channels * a.pitch + e % a.channels));
  }
  sum = blockSum<kThreads>(sum, scratch);
  if (threadIdx.x == 0) store(parts + blockIdx.x, sum);
}

template <class S>
__global__ void __launch_bounds__(kThreads)
    totalKernel(const double* parts, int count, double divisor, S* y, bool add) {
  STRIATE_SHARED(double, scratch, kThreads / 32);
  const int i = static_cast<int>(threadIdx.x);
  const double sum = blockSum<kThreads>(i < count ? load(parts + i) : 0.0, scratch);
  if (threadIdx.x == 0)
    storeFloat(
        y, static_cast<float>(sum / divisor) + (add ? loadFloat(static_cast<const S*>(y)) : 0.0f));
}

template <class S>
struct Spread {
  const S* scalar;
  float divisor;
  float value;
  __device__ void begin() { value = loadFloat(scalar) / divisor; }
  STRIATE_HD float operator()() const { return value; }
};

template <class S>
void run(const Call& call) {
  constexpr int kWidth = kMostWidth<S>;
  const bool mean = static_cast<const Reduce::Attributes*>(call.attributes)->kind == Reduce::Mean;
  const View &x = call.views[0], &y = call.views[1];
  const cudaStream_t stream = call.context.stream;
  if (call.op == Reduce::Broadcast)
    return mapAs<S, S>("broadcast", stream,
                       Spread<S>{x.as<S>(), mean ? static_cast<float>(y.elements()) : 1.0f, 0.0f},
                       y);

  const std::int64_t elements = x.elements();
  const bool whole = x.dense() && reinterpret_cast<std::uintptr_t>(x.data) % 16 == 0;
  const ReduceArguments<S> a{x.as<S>(), x.dense() ? x.channels() : x.pitch, x.pixels(),
                             static_cast<std::uint32_t>(x.channels())};
  const int parts = static_cast<int>(
      std::min<std::int64_t>(Reduce::kParts, ceilDivide(elements, kThreads * kWidth)));
  double* const sums = call.views[2].as<double>();
  launchItems("partialSum", whole ? partialSumKernel<true, S> : partialSumKernel<false, S>,
              std::int64_t(parts) * kThreads, stream, a, sums);
  launchItems("total", totalKernel<S>, kThreads, stream, static_cast<const double*>(sums), parts,
              mean ? static_cast<double>(elements) : 1.0, y.as<S>(), y.accumulates());
}

}  // namespace

void reduce(const Call& call) {
  forStorage(call.views[0].dtype, [&](auto type) { run<decltype(type)>(call); });
}

}  // namespace striate::cuda
