// Gates of channels; see ops/gate.h.
#include "ops/gate.h"

#include "cpu/by_channel.h"

namespace striate::cpu::STRIATE_ISA {

using ops::Gate;

namespace {
// An image and a block of channels at a time.
template <class T>
STRIATE_HD void gateGradient(ThreadPool& threads, const View& x, const View& dy,
                             const View& dgate) {
  const std::int64_t channels = x.channels(), images = x.size[0], pixels = x.pixels() / images;
  const std::int64_t blocks = ceilDivide(channels, kChannelBlock);
  choose(dgate.accumulates(), [&](auto add) {
    threads.forEach(images * blocks, [&](std::int64_t i, int) {
      const std::int64_t image = i / blocks, c0 = i % blocks * kChannelBlock;
      const std::int64_t count = smaller(kChannelBlock, channels - c0);
      double sums[kChannelBlock];
      sumByChannel<T>(
          x, dy, image * pixels, (image + 1) * pixels, c0, count,
          [](T value, T gradient) { return value * gradient; }, sums);
      T* to = at<T>(dgate, image, c0);
      for (std::int64_t c = 0; c < count; ++c) put<add.value>(to[c], T(sums[c]));
    });
  });
}
}  // namespace

void gate(const Call& call) {
  const View* v = call.views;
  const View &x = v[0], &factors = v[1];
  ThreadPool& threads = call.context.threads;
  forFloatType(x.dtype, [&](auto type) {
    using T = decltype(type);
    const auto gates = [&](std::int64_t image, std::int64_t c0, std::int64_t count, T* to) {
      const T* from = at<T>(factors, image, c0);
      for (std::int64_t c = 0; c < count; ++c) to[c] = from[c];
    };
    const auto scale = [&](const View& from, const View& to) {
      mapByChannel<T>(threads, x.size[0], from, from, to, gates,
                      [](T value, T factor, T) { return value * factor; });
    };
    if (call.op == Gate::Forward) return scale(x, v[2]);
    const View &dy = v[2], &dx = v[3], &dgate = v[4];
    if (dgate) gateGradient<T>(threads, x, dy, dgate);
    if (dx) scale(dy, dx);
  });
}

}  // namespace striate::cpu::STRIATE_ISA
