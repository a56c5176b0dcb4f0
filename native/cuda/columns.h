// The column matrix of a convolution: what im2col writes and col2im gathers.
//
// A row is one pixel of the target, in the order of the images of a chunk; it holds, group by group, the
// taps of the filter in order and for each tap the group's channels of the source. One row times the
// group's filter matrix [taps * channels/groups, filters/groups] gives the target's channels.
#pragma once
#include "cuda/kernel.h"
#include "cuda/pixels.h"
#include "cuda/storage.h"
#include "ops/conv2d.h"

namespace striate::cuda {

// A GatherAxis with 32-bit indices: target index i and tap a meet at i * step + first + a * delta.
struct Axis {
  std::int32_t count, first, delta, step;

  explicit Axis(const ops::GatherAxis& g)
      : count(static_cast<std::int32_t>(g.count)),
        first(static_cast<std::int32_t>(g.first)),
        delta(static_cast<std::int32_t>(g.delta)),
        step(static_cast<std::int32_t>(g.step)) {}
  STRIATE_HD std::int32_t source(std::int32_t target, std::int32_t tap) const {
    return target * step + first + tap * delta;
  }
};

// Stored as C: what im2col reads as the source is stored; what col2im gathers as float, so that nothing is
// rounded before the sum.
template <class C>
struct Columns {
  C* data;
  std::int64_t pitch;  // elements from row to row, a multiple of 16 bytes
  Axis rows, columns;
  std::int32_t height, width;  // of the target
  std::int32_t channels, groups;

  STRIATE_HD std::int32_t groupChannels() const { return channels / groups; }
  STRIATE_HD std::int32_t taps() const { return rows.count * columns.count; }
};

inline std::int64_t columnPitch(std::int64_t taps, std::int64_t channels,
                                std::int64_t elementSize) {
  const std::int64_t packet = 16 / elementSize;
  return ceilDivide(taps * channels, packet) * packet;
}

// columns = im2col of images [first, first + count) of the source.
template <class S>
void im2col(const Columns<S>& columns, const View& source, std::int64_t first, std::int64_t count,
            cudaStream_t stream);

// images [first, first + count) of dx gather from the columns of a convolution's output: the inverse walk,
// for a forward convolution of stride `strideH`, `strideW`. `add`: dx holds other contributions.
void col2im(const Columns<float>& columns, const View& dx, std::int64_t first, std::int64_t count,
            std::int32_t strideH, std::int32_t strideW, cudaStream_t stream);

// filters[tap, k, c] of the gradient by the input, from w [R, S, C/groups, K]: spatially flipped and with
// inputs and outputs exchanged, for the taps of one phase. The result is [taps * K/groups, C], where the
// columns of group g hold its own filters.
template <class S>
void flipFilters(const ops::GatherAxis& rows, const ops::GatherAxis& columns, const View& w,
                 std::int64_t groups, S* filters, cudaStream_t stream);

// dx[n, phaseH + i * strideH, phaseW + j * strideW, :] (+)= rows[n, i, j, :].
void scatterPhase(const float* rows, std::int64_t height, std::int64_t width, const View& dx,
                  std::int64_t first, std::int64_t count, std::int32_t phaseH, std::int32_t phaseW,
                  std::int32_t strideH, std::int32_t strideW, cudaStream_t stream);

// to = from, rounded to the type of the output: cuBLASLt takes the bias as its output is stored.
template <class S>
void roundBias(const View& from, S* to, cudaStream_t stream);

// db (+)= the column sums of dy, in a fixed order; `workspace` holds kBiasParts * K floats.
constexpr std::int64_t kBiasParts = 64;
void biasGradient(const View& dy, const View& db, float* workspace, cudaStream_t stream);

}  // namespace striate::cuda
