// Maxout and its gradient; see ops/maxout.h. Groups of two to four channels have loops of their own,
// whose strides the compiler knows.
#include "ops/maxout.h"

#include "cpu/rows.h"

namespace striate::cpu::STRIATE_ISA {

using ops::Maxout;

namespace {
// The number of pieces as a constant, or 0 where it is known at run time alone.
template <int Value>
struct Pieces {
  static constexpr int value = Value;
};
template <class F>
STRIATE_HD void forPieces(int pieces, const F& f) {
  if (pieces == 2) return f(Pieces<2>());
  if (pieces == 3) return f(Pieces<3>());
  if (pieces == 4) return f(Pieces<4>());
  f(Pieces<0>());
}

// Calls body(pixel, channel, count) for runs of y's channels: dense volumes are one row.
template <class Body>
STRIATE_HD void forEachGroupRun(ThreadPool& threads, const View& x, const View& y,
                                const Body& body) {
  const bool dense = x.dense() && y.dense();
  const std::int64_t channels = y.channels();
  if (dense) {
    forEachPiece(threads, y.elements(), x.channels() / channels,
                 [&](std::int64_t begin, std::int64_t end) { body(0, begin, end - begin); });
    return;
  }
  forEachPiece(threads, y.pixels(), x.channels(), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t p = begin; p < end; ++p) body(p, 0, channels);
  });
}

template <class T>
STRIATE_HD void forward(ThreadPool& threads, int pieces, const View& x, const View& y,
                        std::uint8_t* switches) {
  forPieces(pieces, [&](auto constant) {
    const std::int64_t k = constant.value > 0 ? constant.value : pieces;
    forEachGroupRun(threads, x, y, [&](std::int64_t pixel, std::int64_t c, std::int64_t count) {
      const T* from = at<T>(x, pixel, c * k);
      T* to = at<T>(y, pixel, c);
      const auto best = [&](std::int64_t j, std::int32_t& winner) {
        T value = from[j * k];
        winner = 0;
        for (std::int64_t i = 1; i < k; ++i) {
          const T other = from[j * k + i];
          const bool wins = Maxout::wins(other, value);
          value = wins ? other : value;
          winner = wins ? std::int32_t(i) : winner;
        }
        return value;
      };
      std::int32_t winner;
      if (y.accumulates()) {
        for (std::int64_t j = 0; j < count; ++j) to[j] += best(j, winner);
      } else if (switches == nullptr) {
        for (std::int64_t j = 0; j < count; ++j) to[j] = best(j, winner);
      } else {
        std::uint8_t* index = switches + pixel * y.channels() + c;
        for (std::int64_t j = 0; j < count; ++j) {
          to[j] = best(j, winner);
          index[j] = std::uint8_t(winner);
        }
      }
    });
  });
}

template <class T>
STRIATE_HD void backward(ThreadPool& threads, int pieces, const View& dy,
                         const std::uint8_t* switches, const View& dx) {
  choose(dx.accumulates(), [&](auto add) {
    forPieces(pieces, [&](auto constant) {
      const std::int64_t k = constant.value > 0 ? constant.value : pieces;
      forEachGroupRun(threads, dx, dy, [&](std::int64_t pixel, std::int64_t c, std::int64_t count) {
        const T* from = at<T>(dy, pixel, c);
        const std::uint8_t* index = switches + pixel * dy.channels() + c;
        T* to = at<T>(dx, pixel, c * k);
        for (std::int64_t j = 0; j < count; ++j)
          for (std::int64_t i = 0; i < k; ++i)
            put<add.value>(to[j * k + i], index[j] == i ? from[j] : T(0));
      });
    });
  });
}
}  // namespace

void maxout(const Call& call) {
  const auto& a = *static_cast<const Maxout::Attributes*>(call.attributes);
  const View* v = call.views;
  ThreadPool& threads = call.context.threads;
  forFloatType(v[0].dtype, [&](auto type) {
    using T = decltype(type);
    if (call.op == Maxout::Forward)
      forward<T>(threads, a.pieces, v[0], v[1], v[2] ? v[2].as<std::uint8_t>() : nullptr);
    else
      backward<T>(threads, a.pieces, v[0], v[1].as<std::uint8_t>(), v[2]);
  });
}

}  // namespace striate::cpu::STRIATE_ISA
