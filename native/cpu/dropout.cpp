// Dropout; see ops/dropout.h. The mask is drawn for many counters at a time, which
// vectorises.
#include "ops/dropout.h"

#include "cpu/rows.h"

namespace striate::cpu::STRIATE_ISA {

using ops::Dropout;
using ops::Philox;

namespace {
constexpr int kCounters = 64;
constexpr int kWords = 4 * kCounters;

// The random words of elements [4 * block, 4 * block + 4 * counters) of a sample.
STRIATE_HD void draw(std::int64_t block, int counters, std::int64_t sample, const Control& control,
                     std::uint64_t key, std::uint32_t* words) {
  const Philox base = Dropout::counter(block, sample, control);
  std::uint32_t c[4][kCounters];
  for (int i = 0; i < counters; ++i) {
    c[0][i] = base.word[0] + std::uint32_t(i);
    for (int k = 1; k < 4; ++k) c[k][i] = base.word[k];
  }
  std::uint32_t key0 = std::uint32_t(key), key1 = std::uint32_t(key >> 32);
  for (int round = 0; round < Philox::kRounds; ++round) {
    for (int i = 0; i < counters; ++i)
      Philox::round(c[0][i], c[1][i], c[2][i], c[3][i], key0, key1);
    key0 += Philox::kWeyl0;
    key1 += Philox::kWeyl1;
  }
  for (int i = 0; i < counters; ++i)
    for (int k = 0; k < 4; ++k) words[4 * i + k] = c[k][i];
}

template <bool Add, class T>
STRIATE_HD void keep(const std::uint32_t* words, const T* from, std::int64_t count, float rate,
                     T scale, T* to) {
  STRIATE_LANES
  for (std::int64_t i = 0; i < count; ++i) {
    const T kept = from[i] * scale;
    put<Add>(to[i], Philox::uniform(words[i]) >= rate ? kept : T(0));
  }
}
}  // namespace

void dropout(const Call& call) {
  const auto& attributes = *static_cast<const Dropout::Attributes*>(call.attributes);
  const View &x = call.views[0], &y = call.views[1];
  const Control& control = call.context.control;
  const std::uint64_t key = Dropout::key(attributes, control);
  const float rate = attributes.rate;

  // Rows are samples where the sample is contiguous in both views, pixels of it elsewhere.
  const std::int64_t samples = x.size[0], sampleElements = x.elements() / samples;
  const bool whole = x.rank == 1 || (x.dense() && y.dense());
  const std::int64_t length = whole ? sampleElements : x.channels();
  const std::int64_t rowsPerSample = sampleElements / length;
  // Pieces start at multiples of four elements, so that no counter is drawn twice for long rows.
  const std::int64_t piece = smaller(length, kGrain), pieces = ceilDivide(length, piece);

  forFloatType(y.dtype, [&](auto type) {
    using T = decltype(type);
    const T scale = Dropout::scale<T>(attributes);
    choose(y.accumulates(), [&](auto add) {
      forEachPiece(
          call.context.threads, samples * rowsPerSample * pieces, piece,
          [&](std::int64_t begin, std::int64_t end) {
            std::uint32_t words[kWords];
            for (std::int64_t i = begin; i < end; ++i) {
              const std::int64_t row = i / pieces, offset = i % pieces * piece;
              const std::int64_t sample = row / rowsPerSample;
              const std::int64_t first =
                  row % rowsPerSample * length + offset;  // within the sample
              const std::int64_t count = smaller(piece, length - offset);
              const T* from = whole ? x.as<T>() + row * length + offset : at<T>(x, row, offset);
              T* to = whole ? y.as<T>() + row * length + offset : at<T>(y, row, offset);
              std::int64_t done = 0;
              while (done < count) {
                const std::int64_t element = first + done, skip = element % 4;
                const std::int64_t n = smaller(kWords - skip, count - done);
                draw(element / 4, int(ceilDivide(skip + n, 4)), sample, control, key, words);
                keep<add.value>(words + skip, from + done, n, rate, scale, to + done);
                done += n;
              }
            }
          });
    });
  });
}

}  // namespace striate::cpu::STRIATE_ISA
