// Clears control.commit where a gradient or the loss is not finite; see ops/check_finite.h. Must move:
// the slab once; moves that.
#include "ops/check_finite.h"

#include "cuda/kernel.h"
#include "cuda/packet.h"

namespace striate::cuda {

using ops::CheckFinite;

namespace {

constexpr int kWidth = 4;

struct CheckArguments {
  const float* x;
  std::int64_t pitch;
  std::uint32_t elements, channels;
};

template <bool Whole>
__global__ void __launch_bounds__(kThreads) checkFiniteKernel(CheckArguments a, Control* control) {
  const std::uint32_t first = (blockIdx.x * kThreads + threadIdx.x) * kWidth;
  float residue = 0;
  if (Whole && first + kWidth <= a.elements) {
    const Packet<float, kWidth> p = loadPacket<kWidth>(a.x + first);
#pragma unroll
    for (int e = 0; e < kWidth; ++e) residue += CheckFinite::residue(p.values[e]);
  } else {
    for (std::uint32_t e = first; e < first + kWidth && e < a.elements; ++e)
      residue += CheckFinite::residue(load(a.x + e / a.channels * a.pitch + e % a.channels));
  }
  if (!(residue == 0)) atomicAnd(&control->commit, 0);
}

void check(const View& x, const Call& call) {
  const bool whole = x.dense() && reinterpret_cast<std::uintptr_t>(x.data) % 16 == 0;
  const std::int64_t channels = x.channels(), pixels = x.pixels();
  const auto piece = [&](const float* data, std::int64_t elements) {
    const CheckArguments a{data, x.dense() ? channels : x.pitch, static_cast<std::uint32_t>(elements), static_cast<std::uint32_t>(channels)};
    launchItems("checkFinite", whole ? checkFiniteKernel<true> : checkFiniteKernel<false>, ceilDivide(elements, kWidth),
                call.context.stream, a, call.context.control);
  };
  if (x.dense()) {
    for (std::int64_t at = 0; at < x.elements(); at += kMostItems)
      piece(x.as<float>() + at, std::min(kMostItems, x.elements() - at));
    return;
  }
  const std::int64_t atOnce = std::max<std::int64_t>(1, kMostItems / channels);
  for (std::int64_t at = 0; at < pixels; at += atOnce) piece(x.as<float>() + at * x.pitch, std::min(atOnce, pixels - at) * channels);
}

}  // namespace

void check_finite(const Call& call) {
  for (int i = 0; i < 2; ++i)
    if (call.views[i]) check(call.views[i], call);
}

}  // namespace striate::cuda
