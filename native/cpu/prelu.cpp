// Parametric rectifier; see ops/prelu.h.
#include "ops/prelu.h"

#include "cpu/by_channel.h"

namespace striate::cpu::STRIATE_ISA {

using ops::Prelu;

namespace {
// A part of the pixels and a block of channels at a time; the parts are joined in their order.
template <class T>
STRIATE_HD void slopeGradient(ThreadPool& threads, const View& x, const View& dy, const View& dw,
                              double* sums) {
  const std::int64_t channels = x.channels(), pixels = x.pixels();
  const std::int64_t parts =
      larger(1, smaller(smaller(Prelu::kParts, pixels), pixels * channels / kGrain));
  const std::int64_t blocks = ceilDivide(channels, kChannelBlock);
  threads.forEach(parts * blocks, [&](std::int64_t i, int) {
    const std::int64_t part = i / blocks, c0 = i % blocks * kChannelBlock;
    sumByChannel<T>(
        x, dy, part * pixels / parts, (part + 1) * pixels / parts, c0,
        smaller(kChannelBlock, channels - c0),
        [](T value, T gradient) { return Prelu::share(value, gradient); },
        sums + part * channels + c0);
  });
  for (std::int64_t part = 1; part < parts; ++part)
    for (std::int64_t c = 0; c < channels; ++c) sums[c] += sums[part * channels + c];
  if (dw.size[0] == 1)
    for (std::int64_t c = 1; c < channels; ++c) sums[0] += sums[c];
  choose(dw.accumulates(), [&](auto add) {
    for (std::int64_t c = 0; c < dw.size[0]; ++c) put<add.value>(dw.as<T>()[c], T(sums[c]));
  });
}
}  // namespace

void prelu(const Call& call) {
  const View* v = call.views;
  const View &x = v[0], &w = v[1];
  ThreadPool& threads = call.context.threads;
  forFloatType(x.dtype, [&](auto type) {
    using T = decltype(type);
    const auto slopes = [&](std::int64_t, std::int64_t c0, std::int64_t count, T* to) {
      const bool shared = w.size[0] == 1;
      for (std::int64_t c = 0; c < count; ++c) to[c] = w.as<T>()[shared ? 0 : c0 + c];
    };
    if (call.op == Prelu::Forward)
      return mapByChannel<T>(threads, 1, x, x, v[2], slopes,
                             [](T value, T slope, T) { return Prelu::value(value, slope); });
    const View &dy = v[2], &dx = v[3], &dw = v[4];
    // The sum goes first: dx may lie over dy.
    if (dw) slopeGradient<T>(threads, x, dy, dw, v[5].as<double>());
    if (dx)
      mapByChannel<T>(threads, 1, x, dy, dx, slopes, [](T value, T slope, T gradient) {
        return Prelu::gradient(value, slope, gradient);
      });
  });
}

}  // namespace striate::cpu::STRIATE_ISA
