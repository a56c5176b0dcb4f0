// What LARS and LAMB share: two squared norms of every segment, from them the trust ratio by which its
// step is multiplied. Sums run in double over at most kTrustParts parts of a segment, whose borders depend
// on its length alone, added up in their order.
#pragma once
#include "ops/slab.h"

namespace striate::ops {

constexpr std::int64_t kTrustParts = 64;

// Into how many parts the sums of a segment are cut.
STRIATE_HD std::int64_t trustParts(const Segment& s) {
  constexpr std::int64_t kGrain = 16384;
  const std::int64_t parts = (s.end - s.begin) / kGrain;
  return parts < 1 ? 1 : parts < kTrustParts ? parts : kTrustParts;
}

struct Squares {
  double first, second;
};

// Two sums for each part of each segment, then one ratio for each segment.
STRIATE_HD constexpr std::int64_t trustBytes(std::int64_t segments) {
  return segments * (2 * kTrustParts + 1) * 8;
}

// `trusted` [count]: 0 where a segment's ratio is 1, whatever its norms.
inline void checkTrust(const View* v, const View& trusted, const View& workspace) {
  const std::int64_t segments = v[kSegments].size[0];
  requireShape(isVector(trusted, segments), "trusted is a vector with one number a segment");
  requireWorkspace(workspace, trustBytes(segments));
}

}  // namespace striate::ops
