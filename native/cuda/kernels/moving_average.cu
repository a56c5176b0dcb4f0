// The moving average of parameters; see ops/moving_average.h. Must move: parameters once, averages twice;
// moves that.
#include "ops/moving_average.h"

#include <algorithm>

#include "cuda/kernel.h"
#include "cuda/packet.h"

namespace striate::cuda {

using ops::MovingAverage;

namespace {

constexpr int kWidth = 4;

struct AverageArguments {
  const float* parameters;
  float* averages;
  std::int64_t first, length;  // elements of this launch start at `first`
  bool packets;                // both lie at a 16-byte boundary
};

__global__ void __launch_bounds__(kThreads)
    movingAverageKernel(AverageArguments a, MovingAverage::Attributes attributes,
                        const Control* control) {
  const std::int64_t element =
      a.first + (std::int64_t(blockIdx.x) * kThreads + threadIdx.x) * kWidth;
  if (element >= a.length || load(&control->commit) == 0) return;
  const auto weight = static_cast<float>(MovingAverage::weight(attributes, load(&control->step)));
  if (a.packets && element + kWidth <= a.length) {
    const Packet<float, kWidth> p = loadPacket<kWidth>(a.parameters + element);
    Packet<float, kWidth> average =
        loadPacket<kWidth>(static_cast<const float*>(a.averages + element));
#pragma unroll
    for (int e = 0; e < kWidth; ++e)
      average.values[e] = MovingAverage::next(average.values[e], p.values[e], weight);
    storePacket(a.averages + element, average);
    return;
  }
  for (std::int64_t e = element; e < element + kWidth && e < a.length; ++e)
    store(a.averages + e, MovingAverage::next(load(static_cast<const float*>(a.averages + e)),
                                              load(a.parameters + e), weight));
}

}  // namespace

void moving_average(const Call& call) {
  const auto& attributes = *static_cast<const MovingAverage::Attributes*>(call.attributes);
  const View &parameters = call.views[0], &averages = call.views[1];
  const auto aligned = [](const View& v) {
    return reinterpret_cast<std::uintptr_t>(v.data) % 16 == 0;
  };
  AverageArguments a{parameters.as<float>(), averages.as<float>(), 0, parameters.elements(),
                     aligned(parameters) && aligned(averages)};
  for (; a.first < a.length; a.first += kMostItems)
    launchItems("movingAverage", movingAverageKernel,
                ceilDivide(std::min(kMostItems, a.length - a.first), kWidth), call.context.stream,
                a, attributes, static_cast<const Control*>(call.context.control));
}

}  // namespace striate::cuda
