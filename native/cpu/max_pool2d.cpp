// Maximum pooling and its gradient; see ops/max_pool2d.h. Inner loops run over channels; windows of 2x2
// and 3x3 that lie in the volume as a whole are unrolled.
#include "ops/max_pool2d.h"

#include "cpu/rows.h"

namespace striate::cpu::STRIATE_ISA {

using ops::MaxPool2d;
using ops::WindowAxis;

namespace {
// Stands in for the type of the switches where none are wanted.
struct NoSwitch {};

template <class I>
STRIATE_HD void note(I* switches, std::int64_t i, std::int32_t index) {
  if constexpr (!__is_same(I, NoSwitch)) switches[i] = I(index);
}

// An R x S window at x over all channels.
template <int R, int S, bool Add, class T, class I>
STRIATE_HD void wholeWindow(const T* x, std::int64_t rowPitch, std::int64_t pixelPitch,
                            std::int64_t channels, T* y, I* switches) {
  STRIATE_LANES
  for (std::int64_t c = 0; c < channels; ++c) {
    T best = x[c];
    std::int32_t winner = 0;
#pragma GCC unroll 16
    for (int i = 1; i < R * S; ++i) {
      const T value = x[i / S * rowPitch + i % S * pixelPitch + c];
      const bool wins = MaxPool2d::wins(value, best);
      best = wins ? value : best;
      winner = wins ? i : winner;
    }
    put<Add>(y[c], best);
    note(switches, c, winner);
  }
}

// Rows [r0, r1) and columns [s0, s1) of a window whose row 0, column 0 would stand at x.
template <bool Add, class T, class I>
STRIATE_HD void anyWindow(const T* x, std::int64_t rowPitch, std::int64_t pixelPitch, std::int64_t sizeW,
                          std::int64_t r0, std::int64_t r1, std::int64_t s0, std::int64_t s1,
                          std::int64_t channels, T* y, I* switches) {
  constexpr int kBlock = 64;
  T best[kBlock];
  std::int32_t winner[kBlock];
  for (std::int64_t c0 = 0; c0 < channels; c0 += kBlock) {
    const std::int64_t count = smaller(kBlock, channels - c0);
    const T* first = x + r0 * rowPitch + s0 * pixelPitch + c0;
    for (std::int64_t c = 0; c < count; ++c) {
      best[c] = first[c];
      winner[c] = std::int32_t(r0 * sizeW + s0);
    }
    for (std::int64_t r = r0; r < r1; ++r)
      for (std::int64_t s = r == r0 ? s0 + 1 : s0; s < s1; ++s) {
        const T* from = x + r * rowPitch + s * pixelPitch + c0;
        const std::int32_t index = std::int32_t(r * sizeW + s);
        for (std::int64_t c = 0; c < count; ++c) {
          const bool wins = MaxPool2d::wins(from[c], best[c]);
          best[c] = wins ? from[c] : best[c];
          winner[c] = wins ? index : winner[c];
        }
      }
    for (std::int64_t c = 0; c < count; ++c) {
      put<Add>(y[c0 + c], best[c]);
      note(switches, c0 + c, winner[c]);
    }
  }
}

template <bool Add, class T, class I>
STRIATE_HD void forward(ThreadPool& threads, const MaxPool2d::Attributes& a, const View& x, const View& y,
                        I* switches) {
  const WindowAxis rows = windowRows(a, x, y), columns = windowColumns(a, x, y);
  const std::int64_t H = x.size[1], W = x.size[2], C = x.size[3], P = y.size[1], Q = y.size[2];
  const std::int64_t rowPitch = W * x.pitch;
  const bool two = a.sizeH == 2 && a.sizeW == 2, three = a.sizeH == 3 && a.sizeW == 3;
  forEachPiece(threads, x.size[0] * P, Q * C * a.sizeH, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t n = i / P, p = i % P;
      for (std::int64_t q = 0; q < Q; ++q) {
        // Row 0, column 0 of the window; outside the volume where it hangs over the border.
        const std::int64_t origin = (n * H + rows.start(p)) * W + columns.start(q);
        T* to = at<T>(y, i * Q + q);
        I* index = switches + (__is_same(I, NoSwitch) ? 0 : (i * Q + q) * C);
        if ((two || three) && rows.whole(p) && columns.whole(q)) {
          const T* from = at<T>(x, origin);
          if (two) wholeWindow<2, 2, Add>(from, rowPitch, x.pitch, C, to, index);
          else wholeWindow<3, 3, Add>(from, rowPitch, x.pitch, C, to, index);
          continue;
        }
        const std::int64_t r0 = rows.first(p) - rows.start(p), s0 = columns.first(q) - columns.start(q);
        const T* from = at<T>(x, origin + r0 * W + s0) - r0 * rowPitch - s0 * x.pitch;
        anyWindow<Add>(from, rowPitch, x.pitch, a.sizeW, r0, rows.last(p) - rows.start(p), s0,
                       columns.last(q) - columns.start(q), C, to, index);
      }
    }
  });
}

// One pixel of dx takes from `Count` windows; index[k] is the pixel's place in the k-th.
template <int Count, bool Add, class T, class I>
STRIATE_HD void gather(const T* const (&dy)[Count], const I* const (&switches)[Count],
                       const std::int32_t (&index)[Count], std::int64_t channels, T* dx) {
  STRIATE_LANES
  for (std::int64_t c = 0; c < channels; ++c) {
    T sum = std::int32_t(switches[0][c]) == index[0] ? dy[0][c] : T(0);
#pragma GCC unroll 4
    for (int k = 1; k < Count; ++k)
      sum += std::int32_t(switches[k][c]) == index[k] ? dy[k][c] : T(0);
    put<Add>(dx[c], sum);
  }
}

template <bool Add, class T, class I>
STRIATE_HD void backward(ThreadPool& threads, const MaxPool2d::Attributes& a, const View& dy,
                         const View& switchView, const View& dx) {
  const WindowAxis rows = windowRows(a, dx, dy), columns = windowColumns(a, dx, dy);
  const std::int64_t H = dx.size[1], W = dx.size[2], C = dx.size[3], P = dy.size[1], Q = dy.size[2];
  const I* switches = switchView.as<I>();
  forEachPiece(threads, dx.size[0] * H, W * C, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t n = i / H, h = i % H;
      const std::int64_t p0 = rows.firstOutput(h), p1 = rows.lastOutput(h);
      for (std::int64_t w = 0; w < W; ++w) {
        const std::int64_t q0 = columns.firstOutput(w), q1 = columns.lastOutput(w);
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
              {switches + o[0] * C, switches + (o[0] + 1) * C, switches + o[1] * C, switches + (o[1] + 1) * C},
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
        if (bytes) backward<add.value, T, std::uint8_t>(threads, attributes, v[0], v[1], v[2]);
        else backward<add.value, T, std::int32_t>(threads, attributes, v[0], v[1], v[2]);
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
