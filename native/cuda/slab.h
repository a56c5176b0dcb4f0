// The optimizers' pass over the slabs in one launch; see ops/slab.h. Moves gradients once, parameters and
// slots twice, and from the table of segments the few rows that a warp's search meets.
#pragma once
#include <algorithm>

#include "cuda/kernel.h"
#include "cuda/packet.h"
#include "ops/slab.h"

namespace striate::cuda {

constexpr int kSlabWidth = 4;

// Slots that are given, in their order.
template <int Slots>
struct SlabArguments {
  const float* gradients;
  const std::int32_t* segments;
  const float* clip;  // null, or factor and bound
  float* parameters;
  float* slots[Slots + 1];
  std::int64_t first, length;  // elements of this launch start at `first`
  std::int32_t count;
  bool packets;  // every slab lies at a 16-byte boundary
};

template <int Slots>
SlabArguments<Slots> slabArguments(const View* v) {
  SlabArguments<Slots> a{v[ops::kGradients].as<float>(),
                         v[ops::kSegments].as<std::int32_t>(),
                         v[ops::kClip] ? v[ops::kClip].as<float>() : nullptr,
                         v[ops::kParameters].as<float>(),
                         {},
                         0,
                         v[ops::kParameters].elements(),
                         static_cast<std::int32_t>(v[ops::kSegments].size[0]),
                         true};
  const auto aligned = [](const View& slab) {
    return reinterpret_cast<std::uintptr_t>(slab.data) % 16 == 0;
  };
  a.packets = aligned(v[ops::kGradients]) && aligned(v[ops::kParameters]);
  int given = 0;
  for (int i = ops::kFirstSlot; given < Slots; ++i) {
    if (!v[i]) continue;
    a.slots[given++] = v[i].as<float>();
    a.packets = a.packets && aligned(v[i]);
  }
  return a;
}

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

__device__ __forceinline__ ops::Segment loadSegment(const std::int32_t* segments, int i,
                                                    std::int64_t length) {
  std::int32_t row[4];
#pragma unroll
  for (int k = 0; k < 4; ++k) row[k] = load(segments + 4 * i + k);
  return ops::segment(row, length);
}

__device__ __forceinline__ ops::Gradient<float> loadGradient(const Control& control,
                                                             const float* clip) {
  if (clip == nullptr) return ops::Gradient<float>::make(control.lossScale);
  return ops::Gradient<float>::make(control.lossScale, load(clip), load(clip + 1));
}

__device__ __forceinline__ Control loadControl(const Control* control) {
  Control c;
  c.step = load(&control->step);
  c.learningRate = load(&control->learningRate);
  c.lossScale = load(&control->lossScale);
  return c;
}

// The rule of this step; where it takes powers, one thread of a block makes it for all.
template <class Rule, class Attributes>
__device__ __forceinline__ Rule makeRule(const Attributes& attributes, const Control& control,
                                         float* scratch) {
  if constexpr (!Rule::kPowers) return Rule::make(attributes, control);
  constexpr int kWords = sizeof(Rule) / sizeof(float);
  float words[kWords];
  if (threadIdx.x == 0) {
    const Rule made = Rule::make(attributes, control);
    __builtin_memcpy(words, &made, sizeof made);
#pragma unroll
    for (int i = 0; i < kWords; ++i) store(scratch + i, words[i]);
  }
  __syncthreads();
#pragma unroll
  for (int i = 0; i < kWords; ++i) words[i] = load(static_cast<const float*>(scratch) + i);
  Rule rule;
  __builtin_memcpy(&rule, words, sizeof rule);
  return rule;
}

// Calls update(s, segment, g, p, slots) for the elements of a thread's packet that lie in segment s, and
// writes parameters back, and slots where the rule changes them (`Remembers`).
template <bool Remembers, int Slots, class Update>
__device__ __forceinline__ void updatePacket(const SlabArguments<Slots>& a, std::int64_t element,
                                             const Update& update) {
  // A packet may hold the end of one segment and, after the gap, the beginning of the next.
  for (int s = findSegment(a.segments, a.count, element + kSlabWidth - 1); s >= 0; --s) {
    const ops::Segment segment = loadSegment(a.segments, s, a.length);
    if (segment.end <= element) return;
    if (a.packets && segment.begin <= element && element + kSlabWidth <= segment.end) {
      using Four = Packet<float, kSlabWidth>;
      const Four g = loadPacket<kSlabWidth>(a.gradients + element);
      Four p = loadPacket<kSlabWidth>(static_cast<const float*>(a.parameters + element));
      Four slots[Slots + 1];
#pragma unroll
      for (int k = 0; k < Slots; ++k)
        slots[k] = loadPacket<kSlabWidth>(static_cast<const float*>(a.slots[k] + element));
#pragma unroll
      for (int e = 0; e < kSlabWidth; ++e) {
        float own[Slots + 1] = {};
#pragma unroll
        for (int k = 0; k < Slots; ++k) own[k] = slots[k].values[e];
        update(s, segment, g.values[e], p.values[e], own);
#pragma unroll
        for (int k = 0; k < Slots; ++k) slots[k].values[e] = own[k];
      }
      storePacket(a.parameters + element, p);
#pragma unroll
      for (int k = 0; Remembers && k < Slots; ++k) storePacket(a.slots[k] + element, slots[k]);
      return;
    }
    for (std::int64_t e = element; e < element + kSlabWidth; ++e) {
      if (e < segment.begin || e >= segment.end) continue;
      float p = load(static_cast<const float*>(a.parameters + e)), own[Slots + 1] = {};
#pragma unroll
      for (int k = 0; k < Slots; ++k) own[k] = load(static_cast<const float*>(a.slots[k] + e));
      update(s, segment, load(a.gradients + e), p, own);
      store(a.parameters + e, p);
#pragma unroll
      for (int k = 0; Remembers && k < Slots; ++k) store(a.slots[k] + e, own[k]);
    }
  }
}

template <class Rule, class Attributes>
__global__ void __launch_bounds__(kThreads)
    slabKernel(SlabArguments<Rule::kSlots> a, Attributes attributes, const Control* control) {
  STRIATE_SHARED(float, scratch, sizeof(Rule) / sizeof(float));
  if (load(&control->commit) == 0) return;
  const Control now = loadControl(control);
  const Rule rule = makeRule<Rule>(attributes, now, scratch);
  const std::int64_t element =
      a.first + (std::int64_t(blockIdx.x) * kThreads + threadIdx.x) * kSlabWidth;
  if (element >= a.length) return;
  const ops::Gradient<float> gradient = loadGradient(now, a.clip);
  updatePacket<true>(
      a, element, [&](int, const ops::Segment& segment, float g, float& p, float* slots) {
        rule(gradient(g), p, slots, static_cast<float>(now.learningRate * segment.rateScale),
             segment.weightDecay);
      });
}

// Launches kernel(arguments, rest...) over the slab.
template <int Slots, class... Parameters, class... Rest>
void launchSlab(const char* name, void (*kernel)(SlabArguments<Slots>, Parameters...),
                const Call& call, const Rest&... rest) {
  SlabArguments<Slots> a = slabArguments<Slots>(call.views);
  for (; a.first < a.length; a.first += kMostItems)
    launchItems(name, kernel, ceilDivide(std::min(kMostItems, a.length - a.first), kSlabWidth),
                call.context.stream, a, rest...);
}

template <class Family>
void updateSlab(const char* name, const Call& call) {
  const auto& attributes = *static_cast<const typename Family::Attributes*>(call.attributes);
  Family::template forRule<float>(attributes, call.views, [&](auto chosen) {
    using Rule = decltype(chosen);
    launchSlab<Rule::kSlots>(name, slabKernel<Rule, typename Family::Attributes>, call, attributes,
                             static_cast<const Control*>(call.context.control));
  });
}

}  // namespace striate::cuda
