// Maxout and its gradient; see ops/maxout.h. A thread takes one packet of x and the channels of y that are
// its maxima, for groups of two and four; three packets and one of y for groups of three, one channel of y
// and its group otherwise. Must move: x, y and the switches (dy, the switches and dx) once; moves that, where
// groups are of three or above four through the cache: neighbouring threads share sectors.
#include "ops/maxout.h"

#include <algorithm>

#include "cuda/kernel.h"
#include "cuda/storage.h"

namespace striate::cuda {

using ops::Maxout;

namespace {

template <class S>
struct MaxoutArguments {
  // x and y; dx and dy.
  S *wide, *narrow;
  std::int64_t widePitch, narrowPitch;
  std::uint8_t* switches;
  std::int32_t pieces, channels;  // channels of y
  std::int64_t firstPixel;
  std::uint32_t pixels, packets;
};

struct GroupThread {
  std::int64_t pixel;
  std::int32_t c;
  bool exists;
};
template <class S>
__device__ __forceinline__ GroupThread groupThread(const MaxoutArguments<S>& a, int width) {
  const std::uint32_t i = blockIdx.x * kThreads + threadIdx.x, row = i / a.packets;
  return {a.firstPixel + row, static_cast<std::int32_t>(i - row * a.packets) * width,
          row < a.pixels};
}

// Elements of x that are read at once by a thread with groups of `Pieces` for `Width` channels of y.
template <int Pieces, int Width, class S>
constexpr int partWidth() {
  return Pieces == 3 ? Width : std::min(Pieces * Width, kMostWidth<S>);
}

// `Pieces` is 0 where their number is known at run time alone; then `Width` is 1.
template <int Pieces, int Width, bool Add, class S>
__global__ void __launch_bounds__(kThreads, kBlocks) maxoutKernel(MaxoutArguments<S> a) {
  const GroupThread t = groupThread(a, Width);
  if (!t.exists) return;
  const int pieces = Pieces > 0 ? Pieces : a.pieces;
  const S* const from = a.wide + t.pixel * a.widePitch + std::int64_t(t.c) * pieces;
  Packet<float, Width> best;
  Packet<std::uint8_t, Width> winner;
  if constexpr (Pieces > 0) {
    constexpr int kPart = partWidth<Pieces, Width, S>();
    float values[Pieces * Width];
#pragma unroll
    for (int p = 0; p < Pieces * Width; p += kPart) {
      const Packet<float, kPart> packet = loadFloats<kPart>(from + p);
#pragma unroll
      for (int e = 0; e < kPart; ++e) values[p + e] = packet.values[e];
    }
#pragma unroll
    for (int e = 0; e < Width; ++e) {
      best.values[e] = values[e * Pieces];
      winner.values[e] = 0;
#pragma unroll
      for (int i = 1; i < Pieces; ++i)
        if (Maxout::wins(values[e * Pieces + i], best.values[e])) {
          best.values[e] = values[e * Pieces + i];
          winner.values[e] = static_cast<std::uint8_t>(i);
        }
    }
  } else {
    best.values[0] = loadFloat(from);
    winner.values[0] = 0;
    for (int i = 1; i < pieces; ++i) {
      const float value = loadFloat(from + i);
      if (!Maxout::wins(value, best.values[0])) continue;
      best.values[0] = value;
      winner.values[0] = static_cast<std::uint8_t>(i);
    }
  }
  S* const to = a.narrow + t.pixel * a.narrowPitch + t.c;
  if constexpr (Add) {
    const Packet<float, Width> old = loadFloats<Width>(static_cast<const S*>(to));
#pragma unroll
    for (int e = 0; e < Width; ++e) best.values[e] += old.values[e];
  }
  storeFloats(to, best);
  if (a.switches != nullptr) storePacket(a.switches + t.pixel * a.channels + t.c, winner);
}

template <int Pieces, int Width, bool Add, class S>
__global__ void __launch_bounds__(kThreads, kBlocks) maxoutBackwardKernel(MaxoutArguments<S> a) {
  const GroupThread t = groupThread(a, Width);
  if (!t.exists) return;
  const int pieces = Pieces > 0 ? Pieces : a.pieces;
  const Packet<float, Width> dy =
      loadFloats<Width>(static_cast<const S*>(a.narrow) + t.pixel * a.narrowPitch + t.c);
  const Packet<std::uint8_t, Width> winner =
      loadPacket<Width>(static_cast<const std::uint8_t*>(a.switches) + t.pixel * a.channels + t.c);
  S* const to = a.wide + t.pixel * a.widePitch + std::int64_t(t.c) * pieces;
  if constexpr (Pieces > 0) {
    constexpr int kPart = partWidth<Pieces, Width, S>();
#pragma unroll
    for (int p = 0; p < Pieces * Width; p += kPart) {
      Packet<float, kPart> out = {};
      if constexpr (Add) out = loadFloats<kPart>(static_cast<const S*>(to) + p);
#pragma unroll
      for (int e = 0; e < kPart; ++e) {
        const int at = p + e;
        if (winner.values[at / Pieces] == at % Pieces) out.values[e] += dy.values[at / Pieces];
      }
      storeFloats(to + p, out);
    }
  } else {
    for (int i = 0; i < pieces; ++i) {
      const float share = winner.values[0] == i ? dy.values[0] : 0.0f;
      storeFloat(to + i, Add ? loadFloat(static_cast<const S*>(to) + i) + share : share);
    }
  }
}

template <int Pieces, int Width, class S>
void start(const Call& call, const MaxoutArguments<S>& a, bool add) {
  const std::int64_t items = std::int64_t(a.pixels) * a.packets;
  if (call.op == Maxout::Forward)
    launchItems("maxout",
                add ? maxoutKernel<Pieces, Width, true, S> : maxoutKernel<Pieces, Width, false, S>,
                items, call.context.stream, a);
  else
    launchItems("maxoutBackward",
                add ? maxoutBackwardKernel<Pieces, Width, true, S>
                    : maxoutBackwardKernel<Pieces, Width, false, S>,
                items, call.context.stream, a);
}

template <class S>
void run(const Call& call, int pieces) {
  const bool forward = call.op == Maxout::Forward;
  const View &wide = call.views[forward ? 0 : 2], &narrow = call.views[forward ? 1 : 0],
             &switches = call.views[forward ? 2 : 1];
  const std::int64_t channels = narrow.channels(), pixels = narrow.pixels();
  const auto aligned = [&](int w) {
    return !switches || reinterpret_cast<std::uintptr_t>(switches.data) % w == 0;
  };
  int width = std::min(packetWidth(wide, channels), packetWidth(narrow, channels));
  while (!aligned(width)) width /= 2;
  // One packet of x a thread, where it holds whole groups.
  const bool even = pieces == 2 || pieces == 4;
  const int groups = even ? packetWidth(wide, channels * pieces) / pieces : width;
  const bool alone = pieces > 4 || groups == 0;
  width = alone ? 1 : std::min(width, groups);
  forWidth<kMostWidth<S>>(width, [&](auto w) {
    constexpr int kWidth = decltype(w)::value;
    const std::int64_t packets = channels / kWidth,
                       most = std::max<std::int64_t>(1, kMostItems / packets);
    for (std::int64_t first = 0; first < pixels; first += most) {
      const MaxoutArguments<S> a{wide.as<S>(),
                                 narrow.as<S>(),
                                 wide.pitch,
                                 narrow.pitch,
                                 switches ? switches.as<std::uint8_t>() : nullptr,
                                 pieces,
                                 static_cast<std::int32_t>(channels),
                                 first,
                                 static_cast<std::uint32_t>(std::min(most, pixels - first)),
                                 static_cast<std::uint32_t>(packets)};
      const bool add = (forward ? narrow : wide).accumulates();
      if (alone)
        start<0, 1>(call, a, add);
      else if (pieces == 2)
        start<2, kWidth>(call, a, add);
      else if (pieces == 3)
        start<3, kWidth>(call, a, add);
      else
        start<4, kWidth>(call, a, add);
    }
  });
}

}  // namespace

void maxout(const Call& call) {
  const int pieces = static_cast<const Maxout::Attributes*>(call.attributes)->pieces;
  forStorage(call.views[0].dtype, [&](auto type) { run<decltype(type)>(call, pieces); });
}

}  // namespace striate::cuda
