// Sum and mean of all elements, and their gradient; see ops/reduce.h. Must move: x once (broadcast: y
// once); moves that, and 64 partial sums. Part p takes the rows of 1024 elements p, p + parts, ...: a
// fixed order for a given shape. Sums run in double.
#include "ops/reduce.h"

#include "cuda/block_sum.h"
#include "cuda/elementwise.h"

namespace striate::cuda {

using ops::Reduce;

namespace {

constexpr int kWidth = 4;

struct ReduceArguments {
  const float* x;
  std::int64_t pitch;
  std::int64_t pixels;
  std::uint32_t channels;
};

// Dense and aligned views are one row of packets, others are read element by element.
template <bool Whole>
__global__ void __launch_bounds__(kThreads) partialSumKernel(ReduceArguments a, double* parts) {
  STRIATE_SHARED(double, scratch, kThreads / 32);
  const std::int64_t elements = a.pixels * a.channels,
                     stride = std::int64_t(gridDim.x) * kThreads * kWidth;
  double sum = 0;
  for (std::int64_t i = (std::int64_t(blockIdx.x) * kThreads + threadIdx.x) * kWidth; i < elements;
       i += stride) {
    if (Whole && i + kWidth <= elements) {
      const Packet<float, kWidth> p = loadPacket<kWidth>(a.x + i);
#pragma unroll
      for (int e = 0; e < kWidth; ++e) sum += static_cast<double>(p.values[e]);
      continue;
    }
    for (std::int64_t e = i; e < i + kWidth && e < elements; ++e)
      sum += static_cast<double>(load(a.x + e / a.channels * a.pitch + e % a.channels));
  }
  sum = blockSum<kThreads>(sum, scratch);
  if (threadIdx.x == 0) store(parts + blockIdx.x, sum);
}

__global__ void __launch_bounds__(kThreads)
    totalKernel(const double* parts, int count, double divisor, float* y, bool add) {
  STRIATE_SHARED(double, scratch, kThreads / 32);
  const int i = static_cast<int>(threadIdx.x);
  const double sum = blockSum<kThreads>(i < count ? load(parts + i) : 0.0, scratch);
  if (threadIdx.x == 0)
    store(y, static_cast<float>(sum / divisor) + (add ? load(static_cast<const float*>(y)) : 0.0f));
}

struct Spread {
  const float* scalar;
  float divisor;
  float value;
  __device__ void begin() { value = load(scalar) / divisor; }
  STRIATE_HD float operator()() const { return value; }
};

}  // namespace

void reduce(const Call& call) {
  const bool mean = static_cast<const Reduce::Attributes*>(call.attributes)->kind == Reduce::Mean;
  const View &x = call.views[0], &y = call.views[1];
  const cudaStream_t stream = call.context.stream;
  if (call.op == Reduce::Broadcast)
    return map("broadcast", stream,
               Spread{x.as<float>(), mean ? static_cast<float>(y.elements()) : 1.0f, 0.0f}, y);

  const std::int64_t elements = x.elements();
  const bool whole = x.dense() && reinterpret_cast<std::uintptr_t>(x.data) % 16 == 0;
  const ReduceArguments a{x.as<float>(), x.dense() ? x.channels() : x.pitch, x.pixels(),
                          static_cast<std::uint32_t>(x.channels())};
  const int parts = static_cast<int>(
      std::min<std::int64_t>(Reduce::kParts, ceilDivide(elements, kThreads * kWidth)));
  double* const sums = call.views[2].as<double>();
  launchItems("partialSum", whole ? partialSumKernel<true> : partialSumKernel<false>,
              std::int64_t(parts) * kThreads, stream, a, sums);
  launchItems("total", totalKernel, kThreads, stream, static_cast<const double*>(sums), parts,
              mean ? static_cast<double>(elements) : 1.0, y.as<float>(), y.accumulates());
}

}  // namespace striate::cuda
