// The arithmetic of normalising by channel, for batch and group normalisation.
#pragma once
#include "ops/view.h"

namespace striate::ops {

template <class T>
STRIATE_HD T normalised(T x, T mean, T scale, T beta) {
  return (x - mean) * scale + beta;
}
// `offset` and `slope` hold what the statistics' own dependence on x takes away.
template <class T>
STRIATE_HD T normalisedGradient(T x, T dy, T mean, T scale, T offset, T slope) {
  return dy * scale - offset - (x - mean) * slope;
}

}  // namespace striate::ops
