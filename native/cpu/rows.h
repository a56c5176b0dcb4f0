// How elementwise kernels walk views: dense views as one long row, channel ranges pixel by pixel, cut
// into pieces whose borders depend on the shape alone.
#pragma once
#include "cpu/kernel.h"

#if defined(STRIATE_ISA)
namespace striate::cpu::STRIATE_ISA {

// Elements that one piece of work holds: large enough to hide its dispatch.
constexpr std::int64_t kGrain = 16384;

// Calls body(pixel, channel, count) for runs of `count` elements that are contiguous in every view.
// All views have the same shape.
template <int Count, class Body>
STRIATE_HD void forEachRun(ThreadPool& threads, const View* const (&views)[Count], const Body& body) {
  bool dense = true;
  for (const View* v : views) dense = dense && v->dense();
  const std::int64_t pixels = views[0]->pixels(), channels = views[0]->channels();
  if (dense) {
    const std::int64_t total = pixels * channels;
    threads.forEach((total + kGrain - 1) / kGrain, [&](std::int64_t i, int) {
      const std::int64_t begin = i * kGrain, end = begin + kGrain < total ? begin + kGrain : total;
      body(std::int64_t(0), begin, end - begin);
    });
    return;
  }
  const std::int64_t step = kGrain / channels > 0 ? kGrain / channels : 1;
  threads.forEach((pixels + step - 1) / step, [&](std::int64_t i, int) {
    const std::int64_t end = (i + 1) * step < pixels ? (i + 1) * step : pixels;
    for (std::int64_t p = i * step; p < end; ++p) body(p, std::int64_t(0), channels);
  });
}

}  // namespace striate::cpu::STRIATE_ISA
#endif
