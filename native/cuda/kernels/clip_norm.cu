// The factor that bounds the norm of all gradients; see ops/clip_norm.h. Must move: the gradients once; moves
// that, and the sums of its parts. Part p takes the rows of 1024 elements p, p + parts, ...: a fixed order for
// a given length.
#include "ops/clip_norm.h"

#include "cuda/block_sum.h"
#include "cuda/kernel.h"
#include "cuda/packet.h"

namespace striate::cuda {

using ops::ClipNorm;

namespace {

constexpr int kWidth = 4;
static_assert(ClipNorm::kParts == kThreads, "one thread adds one part");

__global__ void __launch_bounds__(kThreads)
    squaresKernel(const float* x, std::int64_t length, bool packets, double* parts) {
  STRIATE_SHARED(double, scratch, kThreads / 32);
  const std::int64_t stride = std::int64_t(gridDim.x) * kThreads * kWidth;
  double sum = 0;
  const auto add = [&](float value) {
    sum += static_cast<double>(value) * static_cast<double>(value);
  };
  for (std::int64_t i = (std::int64_t(blockIdx.x) * kThreads + threadIdx.x) * kWidth; i < length;
       i += stride) {
    if (packets && i + kWidth <= length) {
      const Packet<float, kWidth> p = loadPacket<kWidth>(x + i);
#pragma unroll
      for (int e = 0; e < kWidth; ++e) add(p.values[e]);
      continue;
    }
    for (std::int64_t e = i; e < i + kWidth && e < length; ++e) add(load(x + e));
  }
  sum = blockSum<kThreads>(sum, scratch);
  if (threadIdx.x == 0) store(parts + blockIdx.x, sum);
}

__global__ void __launch_bounds__(kThreads)
    factorKernel(const double* parts, int count, double most, const Control* control, float* clip) {
  STRIATE_SHARED(double, scratch, kThreads / 32);
  const int i = static_cast<int>(threadIdx.x);
  const double squares = blockSum<kThreads>(i < count ? load(parts + i) : 0.0, scratch);
  if (i != 0) return;
  store(clip, static_cast<float>(ClipNorm::factor(most, squares, load(&control->lossScale))));
  store(clip + 1, INFINITY);
}

}  // namespace

void clip_norm(const Call& call) {
  const auto& attributes = *static_cast<const ClipNorm::Attributes*>(call.attributes);
  const View &gradients = call.views[0], &clip = call.views[1];
  const std::int64_t length = gradients.elements();
  const int parts = static_cast<int>(
      std::min<std::int64_t>(ClipNorm::kParts, ceilDivide(length, kThreads * kWidth)));
  double* const sums = call.views[2].as<double>();
  const bool packets = reinterpret_cast<std::uintptr_t>(gradients.data) % 16 == 0;
  launchItems("squares", squaresKernel, std::int64_t(parts) * kThreads, call.context.stream,
              static_cast<const float*>(gradients.as<float>()), length, packets, sums);
  launchItems("clipNorm", factorKernel, kThreads, call.context.stream,
              static_cast<const double*>(sums), parts, attributes.most,
              static_cast<const Control*>(call.context.control), clip.as<float>());
}

}  // namespace striate::cuda
