// Locally connected layers and their gradients; see ops/locally_connected2d.h. The weights are read or
// written once for kImages images; each is met by as many products as there are images.
#include "ops/locally_connected2d.h"

#include "cpu/rows.h"

namespace striate::cpu::STRIATE_ISA {

using ops::LocallyConnected2d;
using ops::WindowAxis;

namespace {
constexpr int kImages = 4;    // of a tile of sums
constexpr int kChannels = 4;  // of a tile of dw

template <int Value>
struct Size {
  static constexpr int value = Value;
};

// Cuts `count` elements into runs of two vectors, one, and a part of one: body(i, Size<vectors>(), lanes).
template <class T, class Body>
STRIATE_HD void forEachPair(std::int64_t count, const Body& body) {
  std::int64_t i = 0;
  for (; i + 2 * kLanes<T> <= count; i += 2 * kLanes<T>) body(i, Size<2>(), Whole());
  if (i + kLanes<T> <= count) {
    body(i, Size<1>(), Whole());
    i += kLanes<T>;
  }
  if (i < count) body(i, Size<1>(), Part{count - i});
}

// Cuts `count` elements into runs of `Most` and single ones: body(i, Size<elements>()).
template <int Most, class Body>
STRIATE_HD void forEachGroup(std::int64_t count, const Body& body) {
  std::int64_t i = 0;
  for (; i + Most <= count; i += Most) body(i, Size<Most>());
  for (; i < count; ++i) body(i, Size<1>());
}

template <class T>
struct Local {
  WindowAxis rows, columns;
  const View &x, &w, &b, &y;
  std::int64_t N, H, W, C, P, Q, K;

  Local(const LocallyConnected2d::Attributes& a, const LocallyConnected2d::Roles& v)
      : rows(windowRows(a, v.x, v.y)),
        columns(windowColumns(a, v.x, v.y)),
        x(v.x),
        w(v.w),
        b(v.b),
        y(v.y),
        N(v.x.size[0]),
        H(v.x.size[1]),
        W(v.x.size[2]),
        C(v.x.size[3]),
        P(v.y.size[1]),
        Q(v.y.size[2]),
        K(v.y.size[3]) {}

  std::int64_t depth() const { return rows.size * columns.size * C; }
  // Row (r, s, 0) of the filters of a position.
  STRIATE_HD T* filters(std::int64_t position, std::int64_t r, std::int64_t s) const {
    return at<T>(w, position * depth() + (r * columns.size + s) * C);
  }
  STRIATE_HD std::int64_t image(std::int64_t n) const { return smaller(n, N - 1); }

  // y of images n, n + 1, ... at one position, for `Vectors` vectors of filters.
  template <bool Add, int Vectors, class Lanes>
  STRIATE_HD void forwardTile(std::int64_t n, std::int64_t p, std::int64_t q, std::int64_t k,
                              Lanes lanes) const {
    const std::int64_t position = p * Q + q;
    Vector<T> sum[kImages][Vectors] = {};
    for (std::int64_t h = rows.first(p); h < rows.last(p); ++h)
      for (std::int64_t v = columns.first(q); v < columns.last(q); ++v) {
        const T* from[kImages];
        for (int i = 0; i < kImages; ++i) from[i] = at<T>(x, (image(n + i) * H + h) * W + v);
        const T* row = filters(position, h - rows.start(p), v - columns.start(q)) + k;
        for (std::int64_t c = 0; c < C; ++c, row += w.pitch)
          for (int j = 0; j < Vectors; ++j) {
            const Vector<T> right = load(row + j * kLanes<T>, lanes);
            for (int i = 0; i < kImages; ++i) sum[i][j] += splat(from[i][c]) * right;
          }
      }
    for (int i = 0; i < kImages && n + i < N; ++i)
      for (int j = 0; j < Vectors; ++j) {
        const std::int64_t first = k + j * kLanes<T>;
        if (b) sum[i][j] += load(at<T>(b, position, first), lanes);
        put<Add>(at<T>(y, ((n + i) * P + p) * Q + q, first), sum[i][j], lanes);
      }
  }

  template <bool Add>
  void forward(ThreadPool& threads) const {
    forEachPiece(threads, P * Q, N * K * depth(), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t position = begin; position < end; ++position)
        forEachPair<T>(K, [&](std::int64_t k, auto vectors, auto lanes) {
          for (std::int64_t n = 0; n < N; n += kImages)
            forwardTile<Add, vectors.value>(n, position / Q, position % Q, k, lanes);
        });
    });
  }

  // dx of images n, n + 1, ... at one pixel, for `Channels` channels: vectors run along the filters and are
  // summed up at the end.
  template <bool Add, int Channels>
  STRIATE_HD void dataTile(std::int64_t n, std::int64_t h, std::int64_t v, std::int64_t c) const {
    Vector<T> sum[kImages][Channels] = {};
    for (std::int64_t p = rows.firstOutput(h); p < rows.lastOutput(h); ++p)
      for (std::int64_t q = columns.firstOutput(v); q < columns.lastOutput(v); ++q) {
        const T* row = filters(p * Q + q, h - rows.start(p), v - columns.start(q)) + c * w.pitch;
        const T* from[kImages];
        for (int i = 0; i < kImages; ++i) from[i] = at<T>(y, (image(n + i) * P + p) * Q + q);
        forEachVector<T, false>(K, [&](std::int64_t k, auto lanes) {
          for (int j = 0; j < Channels; ++j) {
            const Vector<T> right = load(row + j * w.pitch + k, lanes);
            for (int i = 0; i < kImages; ++i) sum[i][j] += load(from[i] + k, lanes) * right;
          }
        });
      }
    for (int i = 0; i < kImages && n + i < N; ++i)
      for (int j = 0; j < Channels; ++j) {
        T total = 0;
        for (int lane = 0; lane < kLanes<T>; ++lane) total += sum[i][j][lane];
        put<Add>(*at<T>(x, ((n + i) * H + h) * W + v, c + j), total);
      }
  }

  template <bool Add>
  void backwardData(ThreadPool& threads) const {
    const std::int64_t windows =
        larger(1, rows.size / rows.stride) * larger(1, columns.size / columns.stride);
    forEachPiece(threads, H * W, N * C * K * windows, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t pixel = begin; pixel < end; ++pixel)
        forEachGroup<2>(C, [&](std::int64_t c, auto channels) {
          for (std::int64_t n = 0; n < N; n += kImages)
            dataTile<Add, channels.value>(n, pixel / W, pixel % W, c);
        });
    });
  }

  // dw of one tap, `Channels` channels and `Vectors` vectors of filters; (h, v) is where the tap lies.
  template <bool Add, int Channels, int Vectors, class Lanes>
  STRIATE_HD void filterTile(std::int64_t position, std::int64_t h, std::int64_t v, std::int64_t c,
                             std::int64_t k, T* to, Lanes lanes) const {
    Vector<T> sum[Channels][Vectors] = {};
    if (h >= 0 && h < H && v >= 0 && v < W)
      for (std::int64_t n = 0; n < N; ++n) {
        const T* from = at<T>(x, (n * H + h) * W + v, c);
        const T* gradient = at<T>(y, n * P * Q + position, k);
        for (int j = 0; j < Vectors; ++j) {
          const Vector<T> right = load(gradient + j * kLanes<T>, lanes);
          for (int i = 0; i < Channels; ++i) sum[i][j] += splat(from[i]) * right;
        }
      }
    for (int i = 0; i < Channels; ++i)
      for (int j = 0; j < Vectors; ++j)
        put<Add>(to + (c + i) * w.pitch + k + j * kLanes<T>, sum[i][j], lanes);
  }

  template <bool Add>
  void backwardFilters(ThreadPool& threads) const {
    const std::int64_t taps = rows.size * columns.size;
    forEachPiece(threads, P * Q * taps, N * C * K, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int64_t position = i / taps, r = i % taps / columns.size, s = i % columns.size;
        const std::int64_t h = rows.start(position / Q) + r, v = columns.start(position % Q) + s;
        T* to = filters(position, r, s);
        forEachPair<T>(K, [&](std::int64_t k, auto vectors, auto lanes) {
          forEachGroup<kChannels>(C, [&](std::int64_t c, auto channels) {
            filterTile<Add, channels.value, vectors.value>(position, h, v, c, k, to, lanes);
          });
        });
      }
    });
  }

  template <bool Add>
  void backwardBias(ThreadPool& threads) const {
    forEachPiece(threads, P * Q, N * K, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t position = begin; position < end; ++position)
        forEachVector<T, !Add>(K, [&](std::int64_t k, auto lanes) {
          Vector<T> sum = {};
          for (std::int64_t n = 0; n < N; ++n)
            sum += load(at<T>(y, n * P * Q + position, k), lanes);
          put<Add>(at<T>(b, position, k), sum, lanes);
        });
    });
  }
};
}  // namespace

void locally_connected2d(const Call& call) {
  const auto& a = *static_cast<const LocallyConnected2d::Attributes*>(call.attributes);
  const auto roles = LocallyConnected2d::roles(call.op, call.views);
  ThreadPool& threads = call.context.threads;
  forFloatType(roles.y.dtype, [&](auto type) {
    const Local<decltype(type)> local(a, roles);
    if (call.op == LocallyConnected2d::Forward)
      choose(roles.y.accumulates(), [&](auto add) { local.template forward<add.value>(threads); });
    else if (call.op == LocallyConnected2d::BackwardData)
      choose(roles.x.accumulates(),
             [&](auto add) { local.template backwardData<add.value>(threads); });
    else {
      if (roles.w)
        choose(roles.w.accumulates(),
               [&](auto add) { local.template backwardFilters<add.value>(threads); });
      if (roles.b)
        choose(roles.b.accumulates(),
               [&](auto add) { local.template backwardBias<add.value>(threads); });
    }
  });
}

}  // namespace striate::cpu::STRIATE_ISA
