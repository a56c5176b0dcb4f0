// Two squared norms of every segment and the trust ratio made of them; see ops/trust.h.
#pragma once
#include "cpu/slab.h"
#include "ops/trust.h"

#if defined(STRIATE_ISA)
namespace striate::cpu::STRIATE_ISA {

// Calls f(i, a, b) for i below `count` and adds up a^2 and b^2, in double and in a fixed order that
// vectorises.
template <class T, class F>
STRIATE_HD ops::Squares sumSquares(std::int64_t count, const F& f) {
  constexpr int kPartials = 16;
  double first[kPartials] = {}, second[kPartials] = {};
  const auto add = [&](std::int64_t i, int k) {
    T a, b;
    f(i, a, b);
    first[k] += double(a) * double(a);
    second[k] += double(b) * double(b);
  };
  std::int64_t i = 0;
  for (; i + kPartials <= count; i += kPartials) {
    STRIATE_LANES
    for (int k = 0; k < kPartials; ++k) add(i + k, k);
  }
  for (int k = 0; i < count; ++i, ++k) add(i, k);
  ops::Squares sum = {0, 0};
  for (int k = 0; k < kPartials; ++k) {
    sum.first += first[k];
    sum.second += second[k];
  }
  return sum;
}

// The ratios of all segments, in the workspace. squares(segment, first, count) gives the sums of a part of
// a segment.
template <class Family, class F>
STRIATE_HD const double* trustRatios(const Call& call, const F& squares) {
  const auto& attributes = *static_cast<const typename Family::Attributes*>(call.attributes);
  const View &segments = call.views[ops::kSegments], &trusted = call.views[Family::kTrusted],
             &workspace = call.views[Family::kWorkspace];
  const std::int64_t count = segments.size[0], length = call.views[ops::kParameters].elements();
  auto* sums = workspace.as<ops::Squares>();
  double* ratios = workspace.as<double>() + 2 * count * ops::kTrustParts;
  const auto segmentAt = [&](std::int64_t i) {
    return ops::segment(segments.as<std::int32_t>() + 4 * i, length);
  };
  call.context.threads.forEach(count * ops::kTrustParts, [&](std::int64_t task, int) {
    const ops::Segment s = segmentAt(task / ops::kTrustParts);
    const std::int64_t part = task % ops::kTrustParts, parts = ops::trustParts(s);
    if (part >= parts) return;
    const std::int64_t elements = larger(s.end - s.begin, 0);
    const std::int64_t begin = part * elements / parts, end = (part + 1) * elements / parts;
    sums[task] = squares(s, s.begin + begin, end - begin);
  });
  for (std::int64_t i = 0; i < count; ++i) {
    const ops::Segment s = segmentAt(i);
    ops::Squares total = {0, 0};
    for (std::int64_t part = 0; part < ops::trustParts(s); ++part) {
      total.first += sums[i * ops::kTrustParts + part].first;
      total.second += sums[i * ops::kTrustParts + part].second;
    }
    ratios[i] =
        trusted.as<std::int32_t>()[i] ? Family::ratio(attributes, total, double(s.weightDecay)) : 1;
  }
  return ratios;
}

}  // namespace striate::cpu::STRIATE_ISA
#endif
