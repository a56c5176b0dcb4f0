// Clears control.commit where a gradient or the loss is not finite; see ops/check_finite.h. Must move:
// the slab once; moves that.
#include "ops/check_finite.h"

#include "cuda/kernel.h"
#include "cuda/packet.h"

namespace striate::cuda {

using ops::CheckFinite;

namespace {

constexpr int kWidth = 4;

struct CheckedView {
  const float* x;
  std::int64_t pitch;
  std::uint32_t elements, channels;
  std::uint32_t packets;
  bool whole;  // read 16 bytes at a time
};

struct CheckArguments {
  CheckedView
      views[2];  // the gradients, then the loss; the latter's threads come after the former's
};

__global__ void __launch_bounds__(kThreads) checkFiniteKernel(CheckArguments a, Control* control) {
  const std::uint32_t i = blockIdx.x * kThreads + threadIdx.x;
  const bool second = i >= a.views[0].packets;
  const CheckedView v = second ? a.views[1] : a.views[0];
  const std::uint32_t first = (second ? i - a.views[0].packets : i) * kWidth;
  float residue = 0;
  if (v.whole && first + kWidth <= v.elements) {
    const Packet<float, kWidth> p = loadPacket<kWidth>(v.x + first);
#pragma unroll
    for (int e = 0; e < kWidth; ++e) residue += CheckFinite::residue(p.values[e]);
  } else {
    for (std::uint32_t e = first; e < first + kWidth && e < v.elements; ++e)
      residue += CheckFinite::residue(load(v.x + e / v.channels * v.pitch + e % v.channels));
  }
  if (!(residue == 0)) atomicAnd(&control->commit, 0);
}

// `elements` of a view from `data` on: whole rows, or, for a dense view, any number.
CheckedView part(const View& x, const float* data, std::int64_t elements) {
  const auto channels = static_cast<std::uint32_t>(x.channels());
  return {data,
          x.dense() ? x.channels() : x.pitch,
          static_cast<std::uint32_t>(elements),
          channels,
          static_cast<std::uint32_t>(ceilDivide(elements, kWidth)),
          x.dense() && reinterpret_cast<std::uintptr_t>(data) % 16 == 0};
}

void launchCheck(const CheckedView& first, const CheckedView& second, const Call& call) {
  const CheckArguments a{{first, second}};
  launchItems("checkFinite", checkFiniteKernel, std::int64_t(first.packets) + second.packets,
              call.context.stream, a, call.context.control);
}

// All of a view but the last piece, which is returned.
CheckedView checkAllButLast(const View& x, const Call& call) {
  const std::int64_t channels = x.channels();
  const std::int64_t atOnce =
      x.dense() ? kMostItems : std::max<std::int64_t>(1, kMostItems / channels);
  const std::int64_t total = x.dense() ? x.elements() : x.pixels();
  const auto piece = [&](std::int64_t at) {
    const std::int64_t n = std::min(atOnce, total - at);
    return x.dense() ? part(x, x.as<float>() + at, n)
                     : part(x, x.as<float>() + at * x.pitch, n * channels);
  };
  std::int64_t at = 0;
  for (; total - at > atOnce; at += atOnce) launchCheck(piece(at), CheckedView{}, call);
  return piece(at);
}

}  // namespace

void check_finite(const Call& call) {
  CheckedView last[2] = {};
  for (int i = 0; i < 2; ++i)
    if (call.views[i]) last[i] = checkAllButLast(call.views[i], call);
  if (last[0].packets + last[1].packets > 0) launchCheck(last[0], last[1], call);
}

}  // namespace striate::cuda
