// Maximum pooling and its gradient; see ops/max_pool2d.h.
// Forward must move: x, y and the switches once; where windows overlap, neighbouring threads read the
// shared pixels again (from the cache). Backward is a gather: dy and the switches of the windows that
// cover a pixel, dx once; no atomics.
#include "ops/max_pool2d.h"

#include "cuda/storage.h"
#include "cuda/windows.h"

namespace striate::cuda {

using ops::MaxPool2d;

namespace {

template <int Width, bool Add, class S, class Switch>
__global__ void __launch_bounds__(kThreads, kBlocks)
    maxPoolKernel(TileGrid grid, Windows rows, Windows columns, Volume<const S> x, Volume<S> y,
                  Volume<Switch> switches) {
  const PixelThread t = grid.thread(Width);
  if (!t.exists) return;
  const int rowBegin = rows.start(t.h), columnBegin = columns.start(t.w);
  const int firstRow = rows.first(t.h), lastRow = rows.last(t.h);
  const int firstColumn = columns.first(t.w), lastColumn = columns.last(t.w);
  Packet<float, Width> best = loadFloats<Width>(x.at(t.image, firstRow, firstColumn, t.c));
  const int start = (firstRow - rowBegin) * columns.size + firstColumn - columnBegin;
  Packet<Switch, Width> winner;
#pragma unroll
  for (int e = 0; e < Width; ++e) winner.values[e] = static_cast<Switch>(start);
  for (int h = firstRow; h < lastRow; ++h)
    for (int w = firstColumn; w < lastColumn; ++w) {
      const Packet<float, Width> value = loadFloats<Width>(x.at(t.image, h, w, t.c));
      const int index = (h - rowBegin) * columns.size + w - columnBegin;
#pragma unroll
      for (int e = 0; e < Width; ++e)
        if (MaxPool2d::wins(value.values[e], best.values[e])) {
          best.values[e] = value.values[e];
          winner.values[e] = static_cast<Switch>(index);
        }
    }
  S* const to = y.at(t.image, t.h, t.w, t.c);
  if constexpr (Add) {
    const Packet<float, Width> old = loadFloats<Width>(static_cast<const S*>(to));
#pragma unroll
    for (int e = 0; e < Width; ++e) best.values[e] += old.values[e];
  }
  storeFloats(to, best);
  if (switches.data != nullptr) storePacket(switches.at(t.image, t.h, t.w, t.c), winner);
}

template <int Width, bool Add, class S, class Switch>
__global__ void __launch_bounds__(kThreads, kBlocks)
    maxPoolBackwardKernel(TileGrid grid, Windows rows, Windows columns, Volume<const S> dy,
                          Volume<const Switch> switches, Volume<S> dx) {
  const PixelThread t = grid.thread(Width);
  if (!t.exists) return;
  S* const to = dx.at(t.image, t.h, t.w, t.c);
  Packet<float, Width> sum = {};
  if constexpr (Add) sum = loadFloats<Width>(static_cast<const S*>(to));
  const int lastP = rows.lastOutput(t.h), lastQ = columns.lastOutput(t.w);
  for (int p = rows.firstOutput(t.h); p < lastP; ++p)
  // Few windows cover a pixel: unrolling would only cost registers.
#pragma unroll 1
    for (int q = columns.firstOutput(t.w); q < lastQ; ++q) {
      const Packet<Switch, Width> winner = loadPacket<Width>(switches.at(t.image, p, q, t.c));
      const Packet<float, Width> gradient = loadFloats<Width>(dy.at(t.image, p, q, t.c));
      const int mine = (t.h - rows.start(p)) * columns.size + t.w - columns.start(q);
#pragma unroll
      for (int e = 0; e < Width; ++e)
        if (static_cast<int>(winner.values[e]) == mine) sum.values[e] += gradient.values[e];
    }
  storeFloats(to, sum);
}

// Volumes and switches travel in packets of as many elements.
template <class S, class Switch>
constexpr int kMost = std::min(kMostWidth<S>, 16 / static_cast<int>(sizeof(Switch)));

template <class S, class Switch>
void forward(const MaxPool2d::Attributes& a, const Call& call) {
  const View &x = call.views[0], &y = call.views[1], &switches = call.views[2];
  int width = std::min(packetWidth(x, y.size[3]), packetWidth(y, y.size[3]));
  Volume<Switch> winners{nullptr, 0, 0, 0};
  if (switches) {
    winners = volume<Switch>(switches);
    width = std::min(width, packetWidth(switches, y.size[3]));
  }
  const Windows rows = windows(ops::windowRows(a, x, y)),
                columns = windows(ops::windowColumns(a, x, y));
  forWidth<kMost<S, Switch>>(width, [&](auto w) {
    constexpr int kWidth = decltype(w)::value;
    forEachTileGrid(y, kWidth, [&](const TileGrid& grid, std::int64_t blocks) {
      const auto kernel = y.accumulates() ? maxPoolKernel<kWidth, true, S, Switch>
                                          : maxPoolKernel<kWidth, false, S, Switch>;
      launchItems("maxPool2d", kernel, blocks * kThreads, call.context.stream, grid, rows, columns,
                  volume<const S>(x), volume<S>(y), winners);
    });
  });
}

template <class S, class Switch>
void backward(const MaxPool2d::Attributes& a, const Call& call) {
  const View &dy = call.views[0], &switches = call.views[1], &dx = call.views[2];
  const std::int64_t channels = dx.size[3];
  const int width = std::min(
      {packetWidth(dy, channels), packetWidth(switches, channels), packetWidth(dx, channels)});
  const Windows rows = windows(ops::windowRows(a, dx, dy)),
                columns = windows(ops::windowColumns(a, dx, dy));
  forWidth<kMost<S, Switch>>(width, [&](auto w) {
    constexpr int kWidth = decltype(w)::value;
    forEachTileGrid(dx, kWidth, [&](const TileGrid& grid, std::int64_t blocks) {
      const auto kernel = dx.accumulates() ? maxPoolBackwardKernel<kWidth, true, S, Switch>
                                           : maxPoolBackwardKernel<kWidth, false, S, Switch>;
      launchItems("maxPool2dBackward", kernel, blocks * kThreads, call.context.stream, grid, rows,
                  columns, volume<const S>(dy), volume<const Switch>(switches), volume<S>(dx));
    });
  });
}

template <class S, class Switch>
void run(const Call& call) {
  const auto& a = *static_cast<const MaxPool2d::Attributes*>(call.attributes);
  if (call.op == MaxPool2d::Forward)
    forward<S, Switch>(a, call);
  else
    backward<S, Switch>(a, call);
}

}  // namespace

void max_pool2d(const Call& call) {
  const auto& a = *static_cast<const MaxPool2d::Attributes*>(call.attributes);
  const bool bytes = MaxPool2d::switchType(a) == DType::UInt8;
  forStorage(call.views[0].dtype, [&](auto type) {
    using S = decltype(type);
    if (bytes)
      run<S, std::uint8_t>(call);
    else
      run<S, std::int32_t>(call);
  });
}

}  // namespace striate::cuda
