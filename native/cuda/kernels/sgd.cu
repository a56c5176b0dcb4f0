// Stochastic gradient descent in one launch over the slab; see ops/sgd.h. Must move: gradients once,
// parameters and momentum twice; moves that, and from the table of segments the few rows that a warp's
// search meets.
#include "ops/sgd.h"

#include "cuda/kernel.h"
#include "cuda/packet.h"

namespace striate::cuda {

using ops::Sgd;

namespace {

constexpr int kWidth = 4;

struct SgdArguments {
  const float* gradients;
  const std::int32_t* segments;
  float* parameters;
  float* momenta;
  std::int64_t first, length;  // elements of this launch start at `first`
  std::int32_t count;
  float momentum;
  bool packets;  // every slab lies at a 16-byte boundary
};

// Segments are sorted and disjoint: the last one that begins at or before `element`, or -1.
__device__ __forceinline__ int findSegment(const std::int32_t* segments, int count,
                                           std::int64_t element) {
  int low = 0, high = count;
  while (low < high) {
    const int middle = (low + high) / 2;
    if (load(segments + 4 * middle) <= element)
      low = middle + 1;
    else
      high = middle;
  }
  return low - 1;
}

template <bool HasMomentum, bool Nesterov>
__global__ void __launch_bounds__(kThreads) sgdKernel(SgdArguments a, const Control* control) {
  const std::int64_t element =
      a.first + (std::int64_t(blockIdx.x) * kThreads + threadIdx.x) * kWidth;
  if (element >= a.length || load(&control->commit) == 0) return;
  const double rate = load(&control->learningRate);
  // A packet may hold the end of one segment and, after the gap, the beginning of the next.
  for (int s = findSegment(a.segments, a.count, element + kWidth - 1); s >= 0; --s) {
    std::int32_t row[4];
#pragma unroll
    for (int i = 0; i < 4; ++i) row[i] = load(a.segments + 4 * s + i);
    const Sgd::Segment segment = Sgd::segment(row, a.length);
    if (segment.end <= element) return;
    const float step = static_cast<float>(rate * segment.rateScale);
    const auto update = [&](float g, float& p, float& v) {
      g += segment.weightDecay * p;
      float direction = g;
      if constexpr (HasMomentum) {
        v = a.momentum * v + g;
        direction = Nesterov ? g + a.momentum * v : v;
      }
      p -= step * direction;
    };
    if (a.packets && segment.begin <= element && element + kWidth <= segment.end) {
      const Packet<float, kWidth> g = loadPacket<kWidth>(a.gradients + element);
      Packet<float, kWidth> p = loadPacket<kWidth>(
                                static_cast<const float*>(a.parameters + element)),
                            v = {};
      if constexpr (HasMomentum)
        v = loadPacket<kWidth>(static_cast<const float*>(a.momenta + element));
#pragma unroll
      for (int e = 0; e < kWidth; ++e) update(g.values[e], p.values[e], v.values[e]);
      storePacket(a.parameters + element, p);
      if constexpr (HasMomentum) storePacket(a.momenta + element, v);
      return;
    }
    for (std::int64_t e = element; e < element + kWidth; ++e) {
      if (e < segment.begin || e >= segment.end) continue;
      float p = load(static_cast<const float*>(a.parameters + e)), v = 0;
      if constexpr (HasMomentum) v = load(static_cast<const float*>(a.momenta + e));
      update(load(a.gradients + e), p, v);
      store(a.parameters + e, p);
      if constexpr (HasMomentum) store(a.momenta + e, v);
    }
  }
}

}  // namespace

void sgd(const Call& call) {
  const auto& attributes = *static_cast<const Sgd::Attributes*>(call.attributes);
  const View &gradients = call.views[0], &segments = call.views[1], &parameters = call.views[2],
             &momenta = call.views[3];
  SgdArguments a{gradients.as<float>(),
                 segments.as<std::int32_t>(),
                 parameters.as<float>(),
                 momenta ? momenta.as<float>() : nullptr,
                 0,
                 parameters.elements(),
                 static_cast<std::int32_t>(segments.size[0]),
                 attributes.momentum,
                 true};
  for (const View* slab : {&gradients, &parameters, &momenta})
    a.packets = a.packets && (!*slab || reinterpret_cast<std::uintptr_t>(slab->data) % 16 == 0);
  const auto kernel = !momenta              ? sgdKernel<false, false>
                      : attributes.nesterov ? sgdKernel<true, true>
                                            : sgdKernel<true, false>;
  for (; a.first < a.length; a.first += kMostItems)
    launchItems("sgd", kernel, ceilDivide(std::min(kMostItems, a.length - a.first), kWidth),
                call.context.stream, a, static_cast<const Control*>(call.context.control));
}

}  // namespace striate::cuda
