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

// The largest of each of `count` groups and its place. Places are 32 bits wide here: the compiler
// vectorises no loop that mixes them with bytes.
template <int Pieces, class T>
STRIATE_HD void largest(const T* from, std::int64_t pieces, std::int64_t count, T* best,
                        std::int32_t* places) {
  const std::int64_t k = Pieces > 0 ? Pieces : pieces;
  STRIATE_LANES
  for (std::int64_t j = 0; j < count; ++j) {
    T value = from[j * k];
    std::int32_t place = 0;
#pragma GCC unroll 4
    for (std::int64_t i = 1; i < k; ++i) {
      const T other = from[j * k + i];
      // Maxout::wins, as selections.
      const T kept = other <= value ? value : other;
      const std::int32_t its = other <= value ? place : std::int32_t(i);
      place = value == value ? its : place;
      value = value == value ? kept : value;
    }
    best[j] = value;
    places[j] = place;
  }
}

template <class T>
STRIATE_HD void forward(ThreadPool& threads, int pieces, const View& x, const View& y,
                        std::uint8_t* switches) {
  constexpr std::int64_t kBlock = 256;
  forPieces(pieces, [&](auto constant) {
    forEachGroupRun(threads, x, y, [&](std::int64_t pixel, std::int64_t c, std::int64_t count) {
      const T* from = at<T>(x, pixel, c * pieces);
      T* to = at<T>(y, pixel, c);
      const std::int64_t first = pixel * y.channels() + c;
      for (std::int64_t j = 0; j < count; j += kBlock) {
        const std::int64_t n = smaller(kBlock, count - j);
        T best[kBlock];
        std::int32_t places[kBlock];
        largest<constant.value>(from + j * pieces, pieces, n, best, places);
        choose(y.accumulates(), [&](auto add) {
          for (std::int64_t i = 0; i < n; ++i) put<add.value>(to[j + i], best[i]);
        });
        if (switches != nullptr)
          for (std::int64_t i = 0; i < n; ++i) switches[first + j + i] = std::uint8_t(places[i]);
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
