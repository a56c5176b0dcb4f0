// A number for each channel, added; see ops/add_bias.h.
#include "ops/add_bias.h"

#include "cpu/rows.h"

namespace striate::cpu::STRIATE_ISA {

void add_bias(const Call& call) {
  const View &x = call.views[0], &b = call.views[1], &y = call.views[2];
  ThreadPool& threads = call.context.threads;
  forFloatType(x.dtype, [&](auto type) {
    using T = decltype(type);
    choose(y.accumulates(), [&](auto add) {
      const WideRows rows(x.channels(), x.dense() && y.dense());
      T buffer[WideRows::kWidth];
      const T* bias = rows.repeat(b.as<T>(), buffer);
      forEachPiece(threads, x.pixels(), x.channels(), [&](std::int64_t begin, std::int64_t end) {
        rows.forEach(begin, end, [&](std::int64_t pixel, std::int64_t count) {
          const T* from = at<T>(x, pixel);
          T* to = at<T>(y, pixel);
          STRIATE_LANES
          for (std::int64_t c = 0; c < count; ++c) put<add.value>(to[c], from[c] + bias[c]);
        });
      });
    });
  });
}

}  // namespace striate::cpu::STRIATE_ISA
