// Images to numbers; see ops/normalize.h. Must move: x and y once each; moves that. A thread takes four
// elements that lie side by side: four bytes (or 16) in, 16 bytes out (8 in 16 bits) where y is dense.
#include "ops/normalize.h"

#include "cuda/kernel.h"
#include "cuda/storage.h"

namespace striate::cuda {

using ops::Normalize;

namespace {

constexpr int kElements = 4;

template <class From, class S>
struct NormalizeArguments {
  const From* x;
  S* y;
  const float* mean;  // [C] or null
  const float* std;
  std::int64_t xPitch, yPitch;
  std::uint32_t elements, channels;
  float scale;
};

template <bool Whole, bool Add, class From, class S>
__global__ void __launch_bounds__(kThreads) normalizeKernel(NormalizeArguments<From, S> a) {
  const std::uint32_t first = (blockIdx.x * kThreads + threadIdx.x) * kElements;
  if (first >= a.elements) return;
  const auto convert = [&](float x, std::uint32_t c) {
    return Normalize::value(x, a.scale, a.mean == nullptr ? 0.0f : load(a.mean + c),
                            a.std == nullptr ? 1.0f : load(a.std + c));
  };
  if constexpr (Whole) {
    if (first + kElements <= a.elements) {
      const Packet<From, kElements> in = loadPacket<kElements>(a.x + first);
      Packet<float, kElements> out;
      if constexpr (Add) out = loadFloats<kElements>(static_cast<const S*>(a.y + first));
      std::uint32_t c = first % a.channels;
#pragma unroll
      for (int e = 0; e < kElements; ++e) {
        const float value = convert(static_cast<float>(in.values[e]), c);
        out.values[e] = Add ? out.values[e] + value : value;
        c = c + 1 == a.channels ? 0 : c + 1;
      }
      storeFloats(a.y + first, out);
      return;
    }
  }
  for (std::uint32_t e = first; e < first + kElements && e < a.elements; ++e) {
    const std::uint32_t pixel = e / a.channels, c = e - pixel * a.channels;
    const float value = convert(static_cast<float>(load(a.x + pixel * a.xPitch + c)), c);
    S* const to = a.y + pixel * a.yPitch + c;
    storeFloat(to, Add ? loadFloat(static_cast<const S*>(to)) + value : value);
  }
}

template <class From, class S>
void run(const Call& call) {
  const auto& attributes = *static_cast<const Normalize::Attributes*>(call.attributes);
  const View &x = call.views[0], &mean = call.views[1], &std = call.views[2], &y = call.views[3];
  const bool whole = x.dense() && y.dense() &&
                     reinterpret_cast<std::uintptr_t>(x.data) % (kElements * sizeof(From)) == 0 &&
                     reinterpret_cast<std::uintptr_t>(y.data) % (kElements * sizeof(S)) == 0;
  const std::int64_t pixels = x.pixels(), channels = x.channels();
  // Whole pixels, and a multiple of four elements, at a time.
  const std::int64_t atOnce =
      std::max<std::int64_t>(kElements, kMostItems / channels / kElements * kElements);
  for (std::int64_t first = 0; first < pixels; first += atOnce) {
    NormalizeArguments<From, S> a;
    a.xPitch = x.dense() ? channels : x.pitch;
    a.yPitch = y.dense() ? channels : y.pitch;
    a.x = x.as<From>() + first * a.xPitch;
    a.y = y.as<S>() + first * a.yPitch;
    a.mean = mean ? mean.as<float>() : nullptr;
    a.std = std ? std.as<float>() : nullptr;
    a.elements = static_cast<std::uint32_t>(std::min(atOnce, pixels - first) * channels);
    a.channels = static_cast<std::uint32_t>(channels);
    a.scale = attributes.scale;
    const auto kernel =
        y.accumulates()
            ? (whole ? normalizeKernel<true, true, From, S> : normalizeKernel<false, true, From, S>)
            : (whole ? normalizeKernel<true, false, From, S>
                     : normalizeKernel<false, false, From, S>);
    launchItems("normalize", kernel, ceilDivide(a.elements, kElements), call.context.stream, a);
  }
}

}  // namespace

void normalize(const Call& call) {
  forStorage(call.views[3].dtype, [&](auto type) {
    using S = decltype(type);
    if (call.views[0].dtype == DType::UInt8)
      run<std::uint8_t, S>(call);
    else
      run<float, S>(call);
  });
}

}  // namespace striate::cuda
