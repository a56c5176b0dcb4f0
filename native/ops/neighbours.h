// The windows of local normalisation: one around each index of an axis.
#pragma once
#include "ops/window.h"

namespace striate::ops {

// Index i has the window [i - size / 2, i - size / 2 + size), cut at the borders. No wider than what it can
// cover.
STRIATE_HD WindowAxis neighbourhood(std::int64_t given, std::int64_t extent) {
  const std::int64_t size = given < 2 * extent + 1 ? given : 2 * extent + 1;
  return {extent, size, 1, size / 2, (size - 1) / 2, extent};
}

}  // namespace striate::ops
