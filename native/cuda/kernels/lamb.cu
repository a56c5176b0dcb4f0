// LAMB; see ops/lamb.h. Must move: gradients and parameters once, both averages twice, parameters once more
// to write them. Moves parameters and averages a further time to read them: a step waits for the norm of
// its whole segment.
#include "ops/lamb.h"

#include "cuda/trust.h"

namespace striate::cuda {

using ops::Lamb;

namespace {

constexpr int kRuleWords = sizeof(Lamb::Rule<float>) / sizeof(float);

__global__ void __launch_bounds__(kThreads, kBlocks)
    lambNormKernel(SlabArguments<2> a, Lamb::Attributes attributes, const Control* control,
                   double* sums) {
  STRIATE_SHARED(float, words, kRuleWords);
  STRIATE_SHARED(double, scratch, 2 * (kThreads / 32));
  if (load(&control->commit) == 0) return;
  const Control now = loadControl(control);
  const auto rule = makeRule<Lamb::Rule<float>>(attributes, now, words);
  const ops::Gradient<float> gradient = loadGradient(now, a.clip);
  storeSquares(a, sums, scratch,
               [&](std::int64_t element, auto width, float decay, const auto& add) {
                 constexpr int kWidth = decltype(width)::value;
                 const Packet<float, kWidth> g = loadPacket<kWidth>(a.gradients + element);
                 const Packet<float, kWidth> p =
                     loadPacket<kWidth>(static_cast<const float*>(a.parameters + element));
                 Packet<float, kWidth> average =
                     loadPacket<kWidth>(static_cast<const float*>(a.slots[0] + element));
                 Packet<float, kWidth> square =
                     loadPacket<kWidth>(static_cast<const float*>(a.slots[1] + element));
#pragma unroll
                 for (int e = 0; e < kWidth; ++e) {
                   float slots[2] = {average.values[e], square.values[e]};
                   rule.remember(gradient(g.values[e]), slots);
                   average.values[e] = slots[0];
                   square.values[e] = slots[1];
                   add(p.values[e], rule.direction(p.values[e], slots, decay));
                 }
                 storePacket(a.slots[0] + element, average);
                 storePacket(a.slots[1] + element, square);
               });
}

__global__ void __launch_bounds__(kThreads)
    lambKernel(SlabArguments<2> a, Lamb::Attributes attributes, const Control* control,
               const double* ratios) {
  STRIATE_SHARED(float, words, kRuleWords);
  if (load(&control->commit) == 0) return;
  const Control now = loadControl(control);
  auto rule = makeRule<Lamb::Rule<float>>(attributes, now, words);
  const std::int64_t element =
      a.first + (std::int64_t(blockIdx.x) * kThreads + threadIdx.x) * kSlabWidth;
  if (element >= a.length) return;
  updatePacket<false>(
      a, element, [&](int s, const ops::Segment& segment, float, float& p, float* slots) {
        rule.ratio = static_cast<float>(load(ratios + s));
        rule(0.0f, p, slots, static_cast<float>(now.learningRate * segment.rateScale),
             segment.weightDecay);
      });
}

}  // namespace

void lamb(const Call& call) {
  const double* const ratios = launchRatios<Lamb>("lambNorm", lambNormKernel, call);
  launchSlab("lamb", lambKernel, call, *static_cast<const Lamb::Attributes*>(call.attributes),
             static_cast<const Control*>(call.context.control), ratios);
}

}  // namespace striate::cuda
