// Images to numbers; see ops/normalize.h.
#include "ops/normalize.h"

#include "cpu/rows.h"

namespace striate::cpu::STRIATE_ISA {

using ops::Normalize;

namespace {
// Mean and std repeat along rows of several pixels (WideRows); the constants stand in for those
// left out.
template <class From, class T>
STRIATE_HD void run(ThreadPool& threads, const View& x, const View& mean, const View& std,
                    const View& y, T scale) {
  const std::int64_t channels = x.channels();
  const WideRows rows(channels, x.dense() && y.dense());
  choose(mean || std, [&](auto shifted) {
    choose(y.accumulates(), [&](auto add) {
      forEachPiece(threads, x.pixels(), channels, [&](std::int64_t begin, std::int64_t end) {
        T buffers[2][WideRows::kWidth];
        const T* m = mean ? rows.repeat(mean.as<T>(), buffers[0]) : nullptr;
        const T* s = std ? rows.repeat(std.as<T>(), buffers[1]) : nullptr;
        rows.forEach(begin, end, [&](std::int64_t pixel, std::int64_t count) {
          const From* from = at<From>(x, pixel);
          T* to = at<T>(y, pixel);
          if constexpr (!shifted.value) {
            STRIATE_LANES
            for (std::int64_t i = 0; i < count; ++i) put<add.value>(to[i], T(from[i]) * scale);
          } else if (m != nullptr && s != nullptr) {
            STRIATE_LANES
            for (std::int64_t i = 0; i < count; ++i)
              put<add.value>(to[i], Normalize::value(T(from[i]), scale, m[i], s[i]));
          } else if (m != nullptr) {
            STRIATE_LANES
            for (std::int64_t i = 0; i < count; ++i)
              put<add.value>(to[i], Normalize::value(T(from[i]), scale, m[i], T(1)));
          } else {
            STRIATE_LANES
            for (std::int64_t i = 0; i < count; ++i)
              put<add.value>(to[i], Normalize::value(T(from[i]), scale, T(0), s[i]));
          }
        });
      });
    });
  });
}
}  // namespace

void normalize(const Call& call) {
  const auto& attributes = *static_cast<const Normalize::Attributes*>(call.attributes);
  const View &x = call.views[0], &mean = call.views[1], &std = call.views[2], &y = call.views[3];
  ThreadPool& threads = call.context.threads;
  forFloatType(y.dtype, [&](auto type) {
    using T = decltype(type);
    const T scale = T(attributes.scale);
    if (x.dtype == DType::UInt8)
      run<std::uint8_t>(threads, x, mean, std, y, scale);
    else if (x.dtype == DType::Float32)
      run<float>(threads, x, mean, std, y, scale);
    else
      run<T>(threads, x, mean, std, y, scale);
  });
}

}  // namespace striate::cpu::STRIATE_ISA
