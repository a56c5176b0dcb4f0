// Volumes that meet one factor a channel: elementwise functions of (x, factor, dy), and the sums by
// channel that their gradients need. The pixels are `groups` runs of equal length; each has factors of
// its own (a gate of each image), or there is one group.
#pragma once
#include "cpu/rows.h"

#if defined(STRIATE_ISA)
namespace striate::cpu::STRIATE_ISA {

// Channels that a piece of work holds on the stack.
constexpr std::int64_t kChannelBlock = 512;
static_assert(kChannelBlock >= WideRows::kWidth);

// target = f(x, factor, dy), elementwise; `factors(group, c0, count, to)` gives the factors of some
// channels. `dy` may be x, target any of them.
template <class T, class Factors, class F>
STRIATE_HD void mapByChannel(ThreadPool& threads, std::int64_t groups, const View& x,
                             const View& dy, const View& target, const Factors& factors,
                             const F& f) {
  const std::int64_t channels = x.channels(), pixels = x.pixels() / groups;
  const std::int64_t blocks = ceilDivide(channels, kChannelBlock);
  const WideRows rows(channels, x.dense() && dy.dense() && target.dense());
  // Pieces start at whole wide rows.
  const std::int64_t width = smaller(channels, kChannelBlock);
  const std::int64_t piece = smaller(roundUp(larger(kGrain / width, 1), rows.fold), pixels);
  const std::int64_t pieces = ceilDivide(pixels, piece);
  choose(target.accumulates(), [&](auto add) {
    threads.forEach(groups * pieces * blocks, [&](std::int64_t i, int) {
      const std::int64_t block = i % blocks, c0 = block * kChannelBlock;
      const std::int64_t group = i / blocks / pieces, first = i / blocks % pieces * piece;
      const std::int64_t count = smaller(kChannelBlock, channels - c0);
      T own[kChannelBlock], buffer[WideRows::kWidth];
      factors(group, c0, count, own);
      const T* repeated = rows.repeat<T>(own, buffer);
      const std::int64_t begin = group * pixels + first,
                         end = group * pixels + smaller(first + piece, pixels);
      for (std::int64_t p = begin; p < end; p += rows.fold) {
        const std::int64_t n = rows.fold > 1 ? smaller(rows.fold, end - p) * channels : count;
        const T* value = at<T>(x, p, c0);
        const T* gradient = at<T>(dy, p, c0);
        T* to = at<T>(target, p, c0);
        STRIATE_LANES
        for (std::int64_t e = 0; e < n; ++e)
          put<add.value>(to[e], f(value[e], repeated[e], gradient[e]));
      }
    });
  });
}

// sums[c] of f(x, dy) over pixels [begin, end), for `count` channels from c0 on, at most kChannelBlock:
// rows of a chunk in T, so that they vectorise, chunks in double.
template <class T, class F>
STRIATE_HD void sumByChannel(const View& x, const View& dy, std::int64_t begin, std::int64_t end,
                             std::int64_t c0, std::int64_t count, const F& f, double* sums) {
  constexpr std::int64_t kChunkRows = 32;
  const WideRows rows(x.channels(), true);
  T values[WideRows::kWidth], gradients[WideRows::kWidth];
  for (std::int64_t c = 0; c < count; ++c) sums[c] = 0;
  for (std::int64_t b = begin; b < end; b += kChunkRows * rows.fold) {
    const std::int64_t e = smaller(b + kChunkRows * rows.fold, end);
    T chunk[kChannelBlock] = {};
    for (std::int64_t p = b; p < e; p += rows.fold) {
      const std::int64_t n = rows.fold > 1 ? smaller(rows.fold, e - p) * count : count;
      const T* value = rows.fold > 1 ? rows.row(x, p, n, values) : at<T>(x, p, c0);
      const T* gradient = rows.fold > 1 ? rows.row(dy, p, n, gradients) : at<T>(dy, p, c0);
      STRIATE_LANES
      for (std::int64_t i = 0; i < n; ++i) chunk[i] += f(value[i], gradient[i]);
    }
    for (std::int64_t i = 0; i < rows.fold; ++i)
      for (std::int64_t c = 0; c < count; ++c) sums[c] += double(chunk[i * count + c]);
  }
}

}  // namespace striate::cpu::STRIATE_ISA
#endif
