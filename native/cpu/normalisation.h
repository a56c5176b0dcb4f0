// What batch and group normalisation share: statistics and gradient sums by channel over a range of
// pixels, and the passes that apply them. A range is cut into chunks of a few rows: a chunk is summed in
// the element type, chunks are combined in double, in order.
#pragma once
#include "cpu/rows.h"
#include "ops/normalisation.h"

#if defined(STRIATE_ISA)
namespace striate::cpu::STRIATE_ISA {

constexpr std::int64_t kChunkRows = 64;  // rows that are summed in the element type
constexpr std::int64_t kNormBlock =
    128;  // channels, or wide-row elements, that are summed at a time
static_assert(WideRows::kWidth <= kNormBlock);

// (count, mean, M2) of one set of values takes in those of another (Chan, Golub and LeVeque).
struct Moments {
  double count = 0, mean = 0, m2 = 0;

  STRIATE_HD void add(double otherCount, double otherMean, double otherM2) {
    const double total = count + otherCount, delta = otherMean - mean;
    mean += delta * (otherCount / total);
    m2 += otherM2 + delta * delta * (count * otherCount / total);
    count = total;
  }
};

// Adds the sums of a chunk of wide rows to those of the channels.
template <class T>
STRIATE_HD void addTo(double* totals, const T* sums, std::int64_t width, std::int64_t channels) {
  for (std::int64_t i = 0; i < width; i += channels)
    for (std::int64_t c = 0; c < channels; ++c) totals[c] += double(sums[i + c]);
}

// Mean and M2 of pixels [begin, end) and of the channels that `width` elements from c0 on hold. The
// elements of a column of a chunk are taken relative to the first of them. As it is one of those
// summed, its square distance from their mean is at most M2, so what cancels stays within
// kChunkRows roundings.
template <class T>
STRIATE_HD void moments(const View& x, const WideRows& rows, std::int64_t begin, std::int64_t end,
                        std::int64_t c0, std::int64_t width, double* mean, double* m2) {
  const std::int64_t channels = rows.fold > 1 ? rows.channels : width;
  const std::int64_t chunk = kChunkRows * rows.fold;
  double seen = 0;
  for (std::int64_t c = 0; c < channels; ++c) mean[c] = m2[c] = 0;
  for (std::int64_t b = begin; b < end; b += chunk) {
    const std::int64_t e = smaller(b + chunk, end);
    T first[kNormBlock], next[kNormBlock];
    const T* center = rows.fold > 1 ? rows.row(x, b, smaller(rows.fold, e - b) * channels, first)
                                    : at<T>(x, b, c0);
    T sums[kNormBlock] = {}, squares[kNormBlock] = {};
    for (std::int64_t p = b; p < e; p += rows.fold) {
      const std::int64_t count = rows.fold > 1 ? smaller(rows.fold, e - p) * channels : width;
      const T* from = rows.fold > 1 ? rows.row(x, p, count, next) : at<T>(x, p, c0);
      for (std::int64_t i = 0; i < count; ++i) {
        const T distance = from[i] - center[i];
        sums[i] += distance;
        squares[i] += distance * distance;
      }
    }
    // Pixel b + f of the first row heads the columns from f * channels on.
    for (std::int64_t f = 0; f < smaller(rows.fold, e - b); ++f) {
      const double count = double((e - b - f + rows.fold - 1) / rows.fold), total = seen + count;
      const double share = 1 / count, weight = count / total, spread = seen * weight;
      for (std::int64_t c = 0; c < channels; ++c) {
        const std::int64_t i = f * channels + c;
        const double sum = double(sums[i]), delta = double(center[i]) + sum * share - mean[c];
        mean[c] += delta * weight;
        m2[c] += double(squares[i]) - sum * sum * share + delta * delta * spread;
      }
      seen = total;
    }
  }
}

// Sums of dy and of dy * (x - mean).
template <class T>
STRIATE_HD void products(const View& x, const View& dy, const T* mean, const WideRows& rows,
                         std::int64_t begin, std::int64_t end, std::int64_t c0, std::int64_t width,
                         double* sumDy, double* sumProduct) {
  const std::int64_t channels = rows.fold > 1 ? rows.channels : width;
  const std::int64_t chunk = kChunkRows * rows.fold;
  T buffer[kNormBlock];
  const T* center = rows.repeat(mean, buffer) + c0;
  for (std::int64_t c = 0; c < channels; ++c) sumDy[c] = sumProduct[c] = 0;
  for (std::int64_t b = begin; b < end; b += chunk) {
    const std::int64_t e = smaller(b + chunk, end);
    T first[kNormBlock] = {}, second[kNormBlock] = {};
    T values[kNormBlock], gradients[kNormBlock];
    for (std::int64_t p = b; p < e; p += rows.fold) {
      const std::int64_t count = rows.fold > 1 ? smaller(rows.fold, e - p) * channels : width;
      const T* value = rows.fold > 1 ? rows.row(x, p, count, values) : at<T>(x, p, c0);
      const T* gradient = rows.fold > 1 ? rows.row(dy, p, count, gradients) : at<T>(dy, p, c0);
      for (std::int64_t i = 0; i < count; ++i) {
        first[i] += gradient[i];
        second[i] += gradient[i] * (value[i] - center[i]);
      }
    }
    addTo(sumDy, first, width, channels);
    addTo(sumProduct, second, width, channels);
  }
}

// y = (x - mean) * scale + beta over pixels [begin, end), by vectors of channels.
template <class T>
STRIATE_HD void applyNorm(const View& x, const View& y, std::int64_t begin, std::int64_t end,
                          const T* mean, const T* scale, const T* beta) {
  const WideRows rows(x.channels(), x.dense() && y.dense());
  T buffers[3][kNormBlock];
  const T* m = rows.repeat(mean, buffers[0]);
  const T* s = rows.repeat(scale, buffers[1]);
  const T* b = rows.repeat(beta, buffers[2]);
  choose(y.accumulates(), [&](auto add) {
    rows.forEach(begin, end, [&](std::int64_t pixel, std::int64_t count) {
      const T* from = at<T>(x, pixel);
      T* to = at<T>(y, pixel);
      STRIATE_LANES
      for (std::int64_t i = 0; i < count; ++i)
        put<add.value>(to[i], ops::normalised(from[i], m[i], s[i], b[i]));
    });
  });
}

// dx = dy * scale - offset - (x - mean) * slope over pixels [begin, end), by vectors of channels.
template <class T>
STRIATE_HD void applyNormGradient(const View& x, const View& dy, const View& dx, std::int64_t begin,
                                  std::int64_t end, const T* mean, const T* scale, const T* offset,
                                  const T* slope) {
  const WideRows rows(x.channels(), x.dense() && dy.dense() && dx.dense());
  T buffers[4][kNormBlock];
  const T* m = rows.repeat(mean, buffers[0]);
  const T* s = rows.repeat(scale, buffers[1]);
  const T* o = rows.repeat(offset, buffers[2]);
  const T* k = rows.repeat(slope, buffers[3]);
  choose(dx.accumulates(), [&](auto add) {
    rows.forEach(begin, end, [&](std::int64_t pixel, std::int64_t count) {
      const T* value = at<T>(x, pixel);
      const T* gradient = at<T>(dy, pixel);
      T* to = at<T>(dx, pixel);
      STRIATE_LANES
      for (std::int64_t i = 0; i < count; ++i)
        put<add.value>(to[i],
                       ops::normalisedGradient(value[i], gradient[i], m[i], s[i], o[i], k[i]));
    });
  });
}

}  // namespace striate::cpu::STRIATE_ISA
#endif
