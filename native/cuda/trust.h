// Two squared norms of every segment and the trust ratio made of them; see ops/trust.h. Block (segment,
// part) takes the rows of 1024 elements part, part + parts, ... of its segment.
#pragma once
#include "cuda/block_sum.h"
#include "cuda/slab.h"
#include "ops/trust.h"

namespace striate::cuda {

// Adds up a^2 and b^2 of visit(element, whole, decay, add) over a block's part of a segment, where add(a, b)
// is called for each element, and stores both sums.
template <int Slots, class Visit>
__device__ __forceinline__ void storeSquares(const SlabArguments<Slots>& a, double* sums,
                                             double* scratch, const Visit& visit) {
  constexpr auto kMost = static_cast<unsigned>(ops::kTrustParts);
  const ops::Segment segment =
      loadSegment(a.segments, static_cast<int>(blockIdx.x / kMost), a.length);
  const std::int64_t part = blockIdx.x % kMost, parts = ops::trustParts(segment);
  if (part >= parts) return;
  const std::int64_t start = segment.begin / kSlabWidth * kSlabWidth;
  double first = 0, second = 0;
  const auto add = [&](float p, float q) {
    first += static_cast<double>(p) * static_cast<double>(p);
    second += static_cast<double>(q) * static_cast<double>(q);
  };
  for (std::int64_t element = start + (part * kThreads + threadIdx.x) * kSlabWidth;
       element < segment.end; element += parts * kThreads * kSlabWidth) {
    if (a.packets && segment.begin <= element && element + kSlabWidth <= segment.end) {
      visit(element, Int<kSlabWidth>(), segment.weightDecay, add);
      continue;
    }
    for (std::int64_t e = element; e < element + kSlabWidth; ++e)
      if (e >= segment.begin && e < segment.end) visit(e, Int<1>(), segment.weightDecay, add);
  }
  first = blockSum<kThreads>(first, scratch);
  second = blockSum<kThreads>(second, scratch + kThreads / 32);
  if (threadIdx.x != 0) return;
  store(sums + 2 * std::int64_t(blockIdx.x), first);
  store(sums + 2 * std::int64_t(blockIdx.x) + 1, second);
}

// A warp adds up the parts of a segment.
template <class Family>
__global__ void __launch_bounds__(kThreads)
    ratioKernel(const std::int32_t* segments, const std::int32_t* trusted, std::int32_t count,
                std::int64_t length, double* sums, typename Family::Attributes attributes,
                const Control* control) {
  const int s = static_cast<int>((blockIdx.x * kThreads + threadIdx.x) / 32),
            lane = static_cast<int>(threadIdx.x) % 32;
  if (s >= count || load(&control->commit) == 0) return;
  const double* const own = sums + 2 * ops::kTrustParts * s;
  const ops::Segment segment = loadSegment(segments, s, length);
  const auto parts = static_cast<int>(ops::trustParts(segment));
  double first = 0, second = 0;
  for (int part = lane; part < parts; part += 32) {
    first += load(own + 2 * part);
    second += load(own + 2 * part + 1);
  }
  const ops::Squares total = {warpSum(first), warpSum(second)};
  if (lane != 0) return;
  store(sums + 2 * ops::kTrustParts * count + s,
        load(trusted + s) != 0 ? Family::ratio(attributes, total, segment.weightDecay) : 1.0);
}

// The norms by `kernel`(arguments, attributes, control, sums), then the ratios; returns these.
template <class Family, int Slots>
const double* launchRatios(const char* name,
                           void (*kernel)(SlabArguments<Slots>, typename Family::Attributes,
                                          const Control*, double*),
                           const Call& call) {
  const auto& attributes = *static_cast<const typename Family::Attributes*>(call.attributes);
  const SlabArguments<Slots> a = slabArguments<Slots>(call.views);
  const Control* const control = call.context.control;
  double* const sums = call.views[Family::kWorkspace].template as<double>();
  const cudaStream_t stream = call.context.stream;
  launchItems(name, kernel, a.count * ops::kTrustParts * kThreads, stream, a, attributes, control,
              sums);
  launchItems(
      "trustRatio", ratioKernel<Family>, std::int64_t(a.count) * 32, stream, a.segments,
      static_cast<const std::int32_t*>(call.views[Family::kTrusted].template as<std::int32_t>()),
      a.count, a.length, sums, attributes, control);
  return sums + 2 * ops::kTrustParts * a.count;
}

}  // namespace striate::cuda
