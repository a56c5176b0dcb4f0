// Volumes that meet one factor a channel: elementwise functions of (x, factor, dy), and the sums by channel
// that their gradients need. The pixels are groups of equal length; each has factors of its own (a gate of
// each image), or there is one group.
#pragma once
#include <algorithm>

#include "cuda/kernel.h"
#include "cuda/storage.h"

namespace striate::cuda {

// Rows of channels, `pitch` elements apart.
template <class T>
struct Rows {
  T* data;
  std::int64_t pitch;
};
template <class T>
Rows<T> rowsOf(const View& v) {
  return {v.as<std::remove_const_t<T>>(), v.pitch};
}

// Factors of the groups, stored as G. `groupPixels` is 0 where all pixels are one group; `step` is 0 where
// one factor stands for all channels, 1 elsewhere.
template <class G>
struct Factors {
  Rows<const G> rows;
  std::uint32_t groupPixels;
  std::int32_t step;

  // Of channels from c on, for pixel `pixel` behind the first of group `firstGroup`.
  template <int Width>
  __device__ __forceinline__ Packet<float, Width> at(std::int64_t firstGroup, std::uint32_t pixel,
                                                     std::uint32_t c) const {
    const std::int64_t group = groupPixels == 0 ? 0 : firstGroup + pixel / groupPixels;
    const G* const from = rows.data + group * rows.pitch;
    Packet<float, Width> factors;
    if (step == 0) {
      const float factor = loadFloat(from);
#pragma unroll
      for (int e = 0; e < Width; ++e) factors.values[e] = factor;
      return factors;
    }
    // Packets of 16 bytes at most: factors may be wider than what they multiply.
    constexpr int kPart = std::min(Width, kMostWidth<G>);
#pragma unroll
    for (int p = 0; p < Width; p += kPart) {
      const Packet<float, kPart> part = loadFloats<kPart>(from + c + p);
#pragma unroll
      for (int e = 0; e < kPart; ++e) factors.values[p + e] = part.values[e];
    }
    return factors;
  }
};

template <class S>
struct ByChannelArguments {
  Rows<const S> x, dy;
  Rows<S> target;
  std::int64_t firstPixel, firstGroup;
  std::uint32_t pixels, packets;
};

// One packet of channels of one pixel a thread. Must move: x, dy (where `Pair`) and the target once; moves
// that, and the factors, which stay in the cache.
template <int Width, bool Add, bool Pair, class S, class G, class F>
__global__ void __launch_bounds__(kThreads)
    byChannelKernel(F f, Factors<G> factors, ByChannelArguments<S> a) {
  const std::uint32_t i = blockIdx.x * kThreads + threadIdx.x;
  const std::uint32_t row = i / a.packets, c = (i - row * a.packets) * Width;
  if (row >= a.pixels) return;
  const std::int64_t pixel = a.firstPixel + row;
  const Packet<float, Width> factor = factors.template at<Width>(a.firstGroup, row, c);
  const Packet<float, Width> x = loadFloats<Width>(a.x.data + pixel * a.x.pitch + c);
  Packet<float, Width> dy = x;
  if constexpr (Pair) dy = loadFloats<Width>(a.dy.data + pixel * a.dy.pitch + c);
  S* const to = a.target.data + pixel * a.target.pitch + c;
  Packet<float, Width> out;
  if constexpr (Add) out = loadFloats<Width>(static_cast<const S*>(to));
#pragma unroll
  for (int e = 0; e < Width; ++e) {
    const float value = f(x.values[e], factor.values[e], dy.values[e]);
    out.values[e] = Add ? out.values[e] + value : value;
  }
  storeFloats(to, out);
}

// target = f(x, factor, dy), elementwise; without `dy` the function is given x for it. `factorView` is
// where the factors stand, which may narrow the packets.
template <class S, class G, class F>
void mapByChannel(const char* name, cudaStream_t stream, const F& f, const View& x, const View* dy,
                  const View& target, const Factors<G>& factors, const View& factorView) {
  const std::int64_t channels = x.channels(), pixels = x.pixels();
  int width = std::min(packetWidth(x, channels), packetWidth(target, channels));
  if (dy != nullptr) width = std::min(width, packetWidth(*dy, channels));
  const int together = factors.step == 0 ? kMostWidth<G> : packetWidth(factorView, channels);
  if (together < kMostWidth<G>) width = std::min(width, together);
  forWidth<kMostWidth<S>>(width, [&](auto w) {
    constexpr int kWidth = decltype(w)::value;
    // Pieces of whole groups whose packets are numbered with 32 bits.
    const std::int64_t packets = channels / kWidth,
                       group = std::max<std::int64_t>(1, factors.groupPixels),
                       most = std::max<std::int64_t>(1, kMostItems / packets / group) * group;
    for (std::int64_t first = 0; first < pixels; first += most) {
      const std::int64_t count = std::min(most, pixels - first);
      const ByChannelArguments<S> a{rowsOf<const S>(x),
                                    rowsOf<const S>(dy != nullptr ? *dy : x),
                                    rowsOf<S>(target),
                                    first,
                                    first / group,
                                    static_cast<std::uint32_t>(count),
                                    static_cast<std::uint32_t>(packets)};
      const auto start = [&](auto kernel) {
        launchItems(name, kernel, count * packets, stream, f, factors, a);
      };
      if (dy == nullptr)
        start(target.accumulates() ? byChannelKernel<kWidth, true, false, S, G, F>
                                   : byChannelKernel<kWidth, false, false, S, G, F>);
      else
        start(target.accumulates() ? byChannelKernel<kWidth, true, true, S, G, F>
                                   : byChannelKernel<kWidth, false, true, S, G, F>);
    }
  });
}

// --- Sums by channel ----------------------------------------------------------------------------------
// A block takes the pixels of one part and eight packets of channels, its threads 32 pixels side by side;
// the rows of the block are joined in double and in their order. Must move: x and dy once; moves that.

constexpr int kSumColumns = 8;
constexpr int kSumRows = kThreads / kSumColumns;

template <class S>
struct SumArguments {
  Rows<const S> x, dy;
  std::int64_t pixels;
  std::int32_t channels, parts;
};

// F: f(x, dy) gives what an element adds, f.put(part, channel, sum) takes the sums.
template <int Width, class S, class F>
__global__ void __launch_bounds__(kThreads) sumByChannelKernel(F f, SumArguments<S> a) {
  // Element e of row r and a column at (r * Width + e) * kSumColumns + column.
  STRIATE_SHARED(float, sums, kThreads* Width);
  const int column = static_cast<int>(threadIdx.x) % kSumColumns,
            row = static_cast<int>(threadIdx.x) / kSumColumns;
  const int columnBlocks = (a.channels + kSumColumns * Width - 1) / (kSumColumns * Width);
  const std::int64_t part = static_cast<int>(blockIdx.x) / columnBlocks,
                     begin = part * a.pixels / a.parts, end = (part + 1) * a.pixels / a.parts;
  const int first = static_cast<int>(blockIdx.x) % columnBlocks * kSumColumns * Width,
            c = first + column * Width;
  float sum[Width] = {};
  if (c < a.channels)
    for (std::int64_t p = begin + row; p < end; p += kSumRows) {
      const Packet<float, Width> x = loadFloats<Width>(a.x.data + p * a.x.pitch + c);
      const Packet<float, Width> dy = loadFloats<Width>(a.dy.data + p * a.dy.pitch + c);
#pragma unroll
      for (int e = 0; e < Width; ++e) sum[e] += f(x.values[e], dy.values[e]);
    }
#pragma unroll
  for (int e = 0; e < Width; ++e) store(sums + (row * Width + e) * kSumColumns + column, sum[e]);
  __syncthreads();
  const int t = static_cast<int>(threadIdx.x), channel = first + t;
  if (t >= kSumColumns * Width || channel >= a.channels) return;
  double total = 0;
  for (int r = 0; r < kSumRows; ++r)
    total += static_cast<double>(
        load(static_cast<const float*>(sums) + (r * Width + t % Width) * kSumColumns + t / Width));
  f.put(part, channel, total);
}

template <class S, class F>
void sumByChannel(const char* name, cudaStream_t stream, const F& f, const View& x, const View& dy,
                  std::int64_t parts) {
  const std::int64_t channels = x.channels();
  forWidth<kMostWidth<S>>(
      std::min(packetWidth(x, channels), packetWidth(dy, channels)), [&](auto w) {
        constexpr int kWidth = decltype(w)::value;
        const SumArguments<S> a{rowsOf<const S>(x), rowsOf<const S>(dy), x.pixels(),
                                static_cast<std::int32_t>(channels),
                                static_cast<std::int32_t>(parts)};
        launchItems(name, sumByChannelKernel<kWidth, S, F>,
                    parts * ceilDivide(channels, kSumColumns * kWidth) * kThreads, stream, f, a);
      });
}

}  // namespace striate::cuda
