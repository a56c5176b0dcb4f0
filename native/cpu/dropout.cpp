// Dropout; see ops/dropout.h. The mask is drawn for 16 counters at a time, which vectorises.
#include "ops/dropout.h"

#include "cpu/rows.h"

namespace striate::cpu::STRIATE_ISA {

using ops::Dropout;
using ops::Philox;

namespace {
constexpr int kCounters = 16;
constexpr int kWords = 4 * kCounters;

// The random words of elements [4 * block, 4 * block + kWords) of a sample.
STRIATE_HD void draw(std::int64_t block, std::int64_t sample, const Control& control, std::uint64_t key,
                     std::uint32_t* words) {
  const Philox base = Dropout::counter(block, sample, control);
  const std::uint32_t key0 = std::uint32_t(key), key1 = std::uint32_t(key >> 32);
  for (int i = 0; i < kCounters; ++i) {
    const Philox random = Philox::block(
        {{base.word[0] + std::uint32_t(i), base.word[1], base.word[2], base.word[3]}}, key0, key1);
    for (int k = 0; k < 4; ++k) words[4 * i + k] = random.word[k];
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
      forEachPiece(call.context.threads, samples * rowsPerSample * pieces, piece,
                   [&](std::int64_t begin, std::int64_t end) {
        std::uint32_t words[kWords];
        for (std::int64_t i = begin; i < end; ++i) {
          const std::int64_t row = i / pieces, offset = i % pieces * piece;
          const std::int64_t sample = row / rowsPerSample;
          const std::int64_t first = row % rowsPerSample * length + offset;  // within the sample
          const std::int64_t count = smaller(piece, length - offset);
          const std::int64_t pitchOfRow = whole ? sampleElements : 0;
          const T* from = whole ? x.as<T>() + row * pitchOfRow + offset : at<T>(x, row, offset);
          T* to = whole ? y.as<T>() + row * pitchOfRow + offset : at<T>(y, row, offset);
          std::int64_t done = 0;
          while (done < count) {
            const std::int64_t element = first + done, skip = element % 4;
            const std::int64_t n = smaller(kWords - skip, count - done);
            draw(element / 4, sample, control, key, words);
            const std::uint32_t* word = words + skip;
            STRIATE_LANES
            for (std::int64_t k = 0; k < n; ++k) {
              const T value = Philox::uniform(word[k]) >= rate ? from[done + k] * scale : T(0);
              put<add.value>(to[done + k], value);
            }
            done += n;
          }
        }
      });
    });
  });
}

}  // namespace striate::cpu::STRIATE_ISA
