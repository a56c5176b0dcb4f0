// Maximum pooling and its gradient; see ops/max_pool2d.h. Vectors hold channels; the best so far
// and its index stay in registers. Whole windows of 2x2 and 3x3 are unrolled.
#include "ops/max_pool2d.h"

#include "cpu/rows.h"

namespace striate::cpu::STRIATE_ISA {

using ops::MaxPool2d;
using ops::WindowAxis;
using ops::WindowSweep;

namespace {
// Stands in for the type of the switches where none are wanted.
struct NoSwitch {};

// Switches as lane indices: one byte each where windows are small, int32 above.
template <class T, class I>
STRIATE_HD void putSwitches(I* to, Index<T> index, Whole) {
  if constexpr (sizeof(I) == 1)
    storeBytes<T>(to, index);
  else
    for (int i = 0; i < kLanes<T>; ++i) to[i] = I(index[i]);
}
template <class T, class I>
STRIATE_HD void putSwitches(I* to, Index<T> index, Part part) {
  for (std::int64_t i = 0; i < part.count; ++i) to[i] = I(index[i]);
}
template <class T, class I>
STRIATE_HD Index<T> loadSwitches(const I* from, Whole) {
  if constexpr (sizeof(I) == 1) return loadBytes<T>(from);
  Index<T> index = {};
  for (int i = 0; i < kLanes<T>; ++i) index[i] = from[i];
  return index;
}
template <class T, class I>
STRIATE_HD Index<T> loadSwitches(const I* from, Part part) {
  Index<T> index = {};
  for (std::int64_t i = 0; i < part.count; ++i) index[i] = from[i];
  return index;
}
template <class T>
STRIATE_HD Index<T> splatIndex(std::int64_t value) {
  return Index<T>{} + IndexLane<T>(value);
}

// The part of a window that lies in the volume: rows [r0, r1), columns [s0, s1).
struct Extent {
  std::int64_t r0, r1, s0, s1;
};
// A window that lies in the volume as a whole, its size known when compiled.
template <int R, int S>
struct WholeWindow {
  static constexpr std::int64_t r0 = 0, r1 = R, s0 = 0, s1 = S;
};

// One window over all channels; row r0, column s0 of it stands at x. The rule is MaxPool2d::wins.
template <bool Add, class E, class T, class I>
STRIATE_HD void window(const E& e, std::int64_t sizeW, const T* x, std::int64_t rowPitch,
                       std::int64_t pixelPitch, std::int64_t channels, T* y, I* switches) {
  forEachVector<T, !Add>(channels, [&](std::int64_t c, auto lanes) {
    Vector<T> best = load(x + c, lanes);
    Index<T> winner = splatIndex<T>(e.r0 * sizeW + e.s0);
#pragma GCC unroll 4
    for (std::int64_t r = e.r0; r < e.r1; ++r)
#pragma GCC unroll 4
      for (std::int64_t s = e.s0; s < e.s1; ++s) {
        const Vector<T> value =
            load(x + (r - e.r0) * rowPitch + (s - e.s0) * pixelPitch + c, lanes);
        const Index<T> wins = ~(value <= best) & (best == best);
        best = wins ? value : best;
        winner = wins ? splatIndex<T>(r * sizeW + s) : winner;
      }
    put<Add>(y + c, best, lanes);
    if constexpr (!__is_same(I, NoSwitch)) putSwitches<T>(switches + c, winner, lanes);
  });
}

template <bool Add, class T, class I>
STRIATE_HD void forward(ThreadPool& threads, const MaxPool2d::Attributes& a, const View& x,
                        const View& y, I* switches) {
  const WindowAxis rows = windowRows(a, x, y), columns = windowColumns(a, x, y);
  const std::int64_t H = x.size[1], W = x.size[2], C = x.size[3], P = y.size[1], Q = y.size[2];
  const std::int64_t rowPitch = W * x.pitch;
  const bool two = a.sizeH == 2 && a.sizeW == 2, three = a.sizeH == 3 && a.sizeW == 3;
  forEachPiece(threads, x.size[0] * P, Q * C * a.sizeH, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t n = i / P, p = i % P;
      for (std::int64_t q = 0; q < Q; ++q) {
        const Extent e = {rows.first(p) - rows.start(p), rows.last(p) - rows.start(p),
                          columns.first(q) - columns.start(q), columns.last(q) - columns.start(q)};
        const T* from = at<T>(x, (n * H + rows.first(p)) * W + columns.first(q));
        T* to = at<T>(y, i * Q + q);
        I* index = switches + (__is_same(I, NoSwitch) ? 0 : (i * Q + q) * C);
        const bool whole = rows.whole(p) && columns.whole(q);
        if (two && whole)
          window<Add>(WholeWindow<2, 2>(), 2, from, rowPitch, x.pitch, C, to, index);
        else if (three && whole)
          window<Add>(WholeWindow<3, 3>(), 3, from, rowPitch, x.pitch, C, to, index);
        else
          window<Add>(e, a.sizeW, from, rowPitch, x.pitch, C, to, index);
      }
    }
  });
}

// One pixel of dx takes from `Count` windows; index[k] is the pixel's place in the k-th.
template <int Count, bool Add, class T, class I>
STRIATE_HD void gather(const T* const (&dy)[Count], const I* const (&switches)[Count],
                       const std::int32_t (&index)[Count], std::int64_t channels, T* dx) {
  forEachVector<T, !Add>(channels, [&](std::int64_t c, auto lanes) {
    Vector<T> sum = {};
#pragma GCC unroll 4
    for (int k = 0; k < Count; ++k) {
      const Index<T> own = loadSwitches<T>(switches[k] + c, lanes) == splatIndex<T>(index[k]);
      sum += own ? load(dy[k] + c, lanes) : Vector<T>{};
    }
    put<Add>(dx + c, sum, lanes);
  });
}

// Windows of 2x2 that tile the volume (a last odd row or column belongs to none): each writes its
// four pixels of dx, so that dy and switches are read once.
template <bool Add, class T, class I>
STRIATE_HD void backwardTiles(ThreadPool& threads, const View& dy, const View& switchView,
                              const View& dx) {
  const std::int64_t H = dx.size[1], W = dx.size[2], C = dx.size[3], P = dy.size[1], Q = dy.size[2];
  const I* switches = switchView.as<I>();
  const auto zero = [&](std::int64_t begin, std::int64_t end) {
    if constexpr (!Add)
      for (std::int64_t pixel = begin; pixel < end; ++pixel)
        for (std::int64_t c = 0; c < C; ++c) at<T>(dx, pixel)[c] = T(0);
  };
  forEachPiece(threads, dx.size[0] * P, 2 * W * C, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t n = i / P, p = i % P, top = (n * H + 2 * p) * W, bottom = top + W;
      for (std::int64_t q = 0; q < Q; ++q) {
        const T* from = at<T>(dy, i * Q + q);
        const I* won = switches + (i * Q + q) * C;
        T* const to[4] = {at<T>(dx, top + 2 * q), at<T>(dx, top + 2 * q + 1),
                          at<T>(dx, bottom + 2 * q), at<T>(dx, bottom + 2 * q + 1)};
        forEachVector<T, !Add>(C, [&](std::int64_t c, auto lanes) {
          const Vector<T> gradient = load(from + c, lanes);
          const Index<T> winner = loadSwitches<T>(won + c, lanes);
#pragma GCC unroll 4
          for (int k = 0; k < 4; ++k)
            put<Add>(to[k] + c, winner == splatIndex<T>(k) ? gradient : Vector<T>{}, lanes);
        });
      }
      zero(top + 2 * Q, bottom);
      zero(bottom + 2 * Q, bottom + W);
      if (p == P - 1) zero(bottom + W, (n + 1) * H * W);
    }
  });
}

template <bool Add, class T, class I>
STRIATE_HD void backward(ThreadPool& threads, const MaxPool2d::Attributes& a, const View& dy,
                         const View& switchView, const View& dx) {
  const WindowAxis rows = windowRows(a, dx, dy), columns = windowColumns(a, dx, dy);
  const std::int64_t H = dx.size[1], W = dx.size[2], C = dx.size[3], P = dy.size[1], Q = dy.size[2];
  if (a.sizeH == 2 && a.sizeW == 2 && a.strideH == 2 && a.strideW == 2 && a.padTop == 0 &&
      a.padLeft == 0 && H >= 2 * P && W >= 2 * Q)
    return backwardTiles<Add, T, I>(threads, dy, switchView, dx);
  const I* switches = switchView.as<I>();
  forEachPiece(threads, dx.size[0] * H, W * C, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t n = i / H, h = i % H;
      const std::int64_t p0 = rows.firstOutput(h), p1 = rows.lastOutput(h);
      WindowSweep sweep;
      for (std::int64_t w = 0; w < W; ++w) {
        sweep.reach(columns, w);
        const std::int64_t q0 = sweep.first, q1 = sweep.last;
        T* to = at<T>(dx, i * W + w);
        const auto output = [&](std::int64_t p, std::int64_t q) { return (n * P + p) * Q + q; };
        const auto place = [&](std::int64_t p, std::int64_t q) {
          return std::int32_t((h - rows.start(p)) * a.sizeW + (w - columns.start(q)));
        };
        if (p1 <= p0 || q1 <= q0) {
          if constexpr (!Add)
            for (std::int64_t c = 0; c < C; ++c) to[c] = T(0);
          continue;
        }
        if (p1 - p0 == 2 && q1 - q0 == 2) {
          const std::int64_t o[2] = {output(p0, q0), output(p0 + 1, q0)};
          gather<4, Add, T, I>(
              {at<T>(dy, o[0]), at<T>(dy, o[0] + 1), at<T>(dy, o[1]), at<T>(dy, o[1] + 1)},
              {switches + o[0] * C, switches + (o[0] + 1) * C, switches + o[1] * C,
               switches + (o[1] + 1) * C},
              {place(p0, q0), place(p0, q0 + 1), place(p0 + 1, q0), place(p0 + 1, q0 + 1)}, C, to);
          continue;
        }
        // The first window writes, the others add.
        for (std::int64_t p = p0; p < p1; ++p)
          for (std::int64_t q = q0; q < q1; ++q) {
            const std::int64_t o = output(p, q);
            choose(Add || p > p0 || q > q0, [&](auto add) {
              gather<1, add.value, T, I>({at<T>(dy, o)}, {switches + o * C}, {place(p, q)}, C, to);
            });
          }
      }
    }
  });
}
}  // namespace

void max_pool2d(const Call& call) {
  const auto& attributes = *static_cast<const MaxPool2d::Attributes*>(call.attributes);
  const View* v = call.views;
  ThreadPool& threads = call.context.threads;
  const bool bytes = MaxPool2d::switchType(attributes) == DType::UInt8;
  forFloatType(v[0].dtype, [&](auto type) {
    using T = decltype(type);
    if (call.op == MaxPool2d::Backward) {
      choose(v[2].accumulates(), [&](auto add) {
        if (bytes)
          backward<add.value, T, std::uint8_t>(threads, attributes, v[0], v[1], v[2]);
        else
          backward<add.value, T, std::int32_t>(threads, attributes, v[0], v[1], v[2]);
      });
    } else if (!v[2]) {
      choose(v[1].accumulates(), [&](auto add) {
        forward<add.value, T>(threads, attributes, v[0], v[1], static_cast<NoSwitch*>(nullptr));
      });
    } else if (bytes) {
      forward<false, T>(threads, attributes, v[0], v[1], v[2].as<std::uint8_t>());
    } else {
      forward<false, T>(threads, attributes, v[0], v[1], v[2].as<std::int32_t>());
    }
  });
}

}  // namespace striate::cpu::STRIATE_ISA
