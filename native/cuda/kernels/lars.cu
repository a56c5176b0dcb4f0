// LARS; see ops/lars.h. Must move: gradients, parameters and momentum once to know the norms and the step,
// parameters and momentum once more to write them. Moves gradients and parameters a second time: a step
// waits for the norm of its whole segment.
#include "ops/lars.h"

#include "cuda/trust.h"

namespace striate::cuda {

using ops::Lars;

namespace {

__global__ void __launch_bounds__(kThreads)
    larsNormKernel(SlabArguments<1> a, Lars::Attributes, const Control* control, double* sums) {
  STRIATE_SHARED(double, scratch, 2 * (kThreads / 32));
  if (load(&control->commit) == 0) return;
  const ops::Gradient<float> gradient = loadGradient(loadControl(control), a.clip);
  storeSquares(a, sums, scratch, [&](std::int64_t element, auto width, float, const auto& add) {
    constexpr int kWidth = decltype(width)::value;
    const Packet<float, kWidth> g = loadPacket<kWidth>(a.gradients + element);
    const Packet<float, kWidth> p =
        loadPacket<kWidth>(static_cast<const float*>(a.parameters + element));
#pragma unroll
    for (int e = 0; e < kWidth; ++e) add(p.values[e], gradient(g.values[e]));
  });
}

__global__ void __launch_bounds__(kThreads)
    larsKernel(SlabArguments<1> a, Lars::Attributes attributes, const Control* control,
               const double* ratios) {
  if (load(&control->commit) == 0) return;
  const std::int64_t element =
      a.first + (std::int64_t(blockIdx.x) * kThreads + threadIdx.x) * kSlabWidth;
  if (element >= a.length) return;
  const Control now = loadControl(control);
  const ops::Gradient<float> gradient = loadGradient(now, a.clip);
  updatePacket<true>(
      a, element, [&](int s, const ops::Segment& segment, float g, float& p, float* slots) {
        const Lars::Rule<float> rule = {static_cast<float>(attributes.momentum),
                                        static_cast<float>(load(ratios + s))};
        rule(gradient(g), p, slots, static_cast<float>(now.learningRate * segment.rateScale),
             segment.weightDecay);
      });
}

}  // namespace

void lars(const Call& call) {
  const double* const ratios = launchRatios<Lars>("larsNorm", larsNormKernel, call);
  launchSlab("lars", larsKernel, call, *static_cast<const Lars::Attributes*>(call.attributes),
             static_cast<const Control*>(call.context.control), ratios);
}

}  // namespace striate::cuda
