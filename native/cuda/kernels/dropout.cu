// Dropout; see ops/dropout.h. A thread draws one counter and treats its four elements: one access of 16
// bytes, or of 8 in 16 bits, in which a warp still reads whole sectors. Must move: x and y once each; moves
// that. The control block is read by every thread, from the cache.
#include "ops/dropout.h"

#include "cuda/kernel.h"
#include "cuda/storage.h"

namespace striate::cuda {

using ops::Dropout;
using ops::Philox;

namespace {

constexpr int kDrawn = 4;

template <class S>
struct DropoutArguments {
  const S* x;
  S* y;
  std::int64_t xPitch, yPitch;
  std::int64_t samplePixels;
  std::uint32_t channels;
  std::uint32_t
      sampleElements;    // less than 2^31 in one launch; larger samples are cut by the launcher
  std::uint32_t blocks;  // counters of a sample
  std::uint32_t firstSample, samples;
};

__device__ __forceinline__ void read(const Control* control, Control& into) {
  into.step = load(&control->step);
  into.sampleOffset = load(&control->sampleOffset);
  into.seed = load(&control->seed);
}

// `Whole`: the four elements lie side by side, aligned as one, in both views.
template <bool Whole, bool Add, class S>
__global__ void __launch_bounds__(kThreads)
    dropoutKernel(Dropout::Attributes attributes, const Control* control, DropoutArguments<S> a) {
  const std::uint32_t i = blockIdx.x * kThreads + threadIdx.x;
  const std::uint32_t local = i / a.blocks, block = i - local * a.blocks,
                      sample = a.firstSample + local;
  if (local >= a.samples) return;
  Control now;
  read(control, now);
  const std::uint64_t key = Dropout::key(attributes, now);
  const Philox random =
      Philox::block(Dropout::counter(block, sample, now), static_cast<std::uint32_t>(key),
                    static_cast<std::uint32_t>(key >> 32));
  const float scale = Dropout::scale<float>(attributes);
  const std::uint32_t element = block * kDrawn;
  const auto place = [&](std::uint32_t e, std::int64_t pitch) {
    const std::uint32_t pixel = e / a.channels;
    return (sample * a.samplePixels + pixel) * pitch + (e - pixel * a.channels);
  };
  if constexpr (Whole) {
    Packet<float, kDrawn> value = loadFloats<kDrawn>(a.x + place(element, a.xPitch)), out;
    S* const to = a.y + place(element, a.yPitch);
    if constexpr (Add) out = loadFloats<kDrawn>(static_cast<const S*>(to));
#pragma unroll
    for (int e = 0; e < kDrawn; ++e) {
      const float kept =
          Philox::uniform(random.word[e]) >= attributes.rate ? value.values[e] * scale : 0.0f;
      out.values[e] = Add ? out.values[e] + kept : kept;
    }
    storeFloats(to, out);
  } else {
#pragma unroll
    for (int e = 0; e < kDrawn; ++e) {
      if (element + e >= a.sampleElements) return;
      const float value = loadFloat(a.x + place(element + e, a.xPitch));
      const float kept = Philox::uniform(random.word[e]) >= attributes.rate ? value * scale : 0.0f;
      S* const to = a.y + place(element + e, a.yPitch);
      storeFloat(to, Add ? loadFloat(static_cast<const S*>(to)) + kept : kept);
    }
  }
}

template <class S>
void run(const Call& call) {
  const auto& attributes = *static_cast<const Dropout::Attributes*>(call.attributes);
  const View &x = call.views[0], &y = call.views[1];
  const std::int64_t samples = x.size[0], sampleElements = x.elements() / samples;
  const bool dense = x.dense() && y.dense();
  DropoutArguments<S> a;
  a.x = x.as<S>();
  a.y = y.as<S>();
  // A dense sample is one wide pixel.
  const std::int64_t channels = dense || x.rank == 1 ? sampleElements : x.channels();
  a.channels = static_cast<std::uint32_t>(channels);
  a.xPitch = dense ? sampleElements : x.pitch;
  a.yPitch = dense ? sampleElements : y.pitch;
  if (x.rank == 1) a.xPitch = a.yPitch = 1;
  a.samplePixels = sampleElements / channels;
  a.sampleElements = static_cast<std::uint32_t>(sampleElements);
  a.blocks = static_cast<std::uint32_t>(ceilDivide(sampleElements, kDrawn));
  const auto aligned = [&](const View& v, std::int64_t pitch) {
    return reinterpret_cast<std::uintptr_t>(v.data) % (kDrawn * sizeof(S)) == 0 &&
           pitch % kDrawn == 0;
  };
  const bool whole = channels % kDrawn == 0 && aligned(x, a.xPitch) && aligned(y, a.yPitch);
  const std::int64_t atOnce = std::max<std::int64_t>(1, kMostItems / a.blocks);
  for (std::int64_t first = 0; first < samples; first += atOnce) {
    a.firstSample = static_cast<std::uint32_t>(first);
    a.samples = static_cast<std::uint32_t>(std::min(atOnce, samples - first));
    const auto kernel =
        y.accumulates() ? (whole ? dropoutKernel<true, true, S> : dropoutKernel<false, true, S>)
                        : (whole ? dropoutKernel<true, false, S> : dropoutKernel<false, false, S>);
    launchItems("dropout", kernel, std::int64_t(a.samples) * a.blocks, call.context.stream,
                attributes, static_cast<const Control*>(call.context.control), a);
  }
}

}  // namespace

void dropout(const Call& call) {
  forStorage(call.views[0].dtype, [&](auto type) { run<decltype(type)>(call); });
}

}  // namespace striate::cuda
