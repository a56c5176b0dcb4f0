// Windows that slide over a padded volume: the index arithmetic of both poolings, one axis at a
// time.
//
// Window p covers rows [p * stride - padBefore, p * stride - padBefore + size) of a volume of
// `extent` rows. Where the windows do not tile the padded volume, either the rest is cropped
// (floor) or a last window hangs over the border (ceil); a window that would start beyond the
// volume is dropped, as in PyTorch and Caffe.
#pragma once
#include "ops/op.h"

namespace striate::ops {

// `Index` is std::int64_t on the host; kernels take 32 bits, which their launchers check to be
// enough.
template <class Index>
struct BasicWindowAxis {
  Index extent, size, stride, padBefore, padAfter, outputs;

  // The first row of window p; negative inside the padding.
  STRIATE_HD Index start(Index p) const { return p * stride - padBefore; }
  // Rows [first, last) of window p that lie in the volume.
  STRIATE_HD Index first(Index p) const { return start(p) > 0 ? start(p) : 0; }
  STRIATE_HD Index last(Index p) const {
    const Index end = start(p) + size;
    return end < extent ? end : extent;
  }
  // Whether window p lies in the volume as a whole.
  STRIATE_HD bool whole(Index p) const { return start(p) >= 0 && start(p) + size <= extent; }
  // Rows of window p that lie in the padded volume.
  STRIATE_HD Index paddedRows(Index p) const {
    const Index end = start(p) + size, border = extent + padAfter;
    return (end < border ? end : border) - start(p);
  }
  // Windows [firstOutput, lastOutput) cover row h; none where the range is empty.
  STRIATE_HD Index firstOutput(Index h) const {
    return h + padBefore < size ? 0 : (h + padBefore - size) / stride + 1;
  }
  STRIATE_HD Index lastOutput(Index h) const {
    const Index end = (h + padBefore) / stride + 1;
    return end < outputs ? end : outputs;
  }

  // Throws unless every window touches the volume and `outputs` is the floor or the ceiling.
  void check() const {
    requireArgument(size >= 1 && stride >= 1, "window and stride are at least 1");
    requireArgument(padBefore >= 0 && padAfter >= 0, "padding is not negative");
    requireShape(padBefore < size && padAfter < size, "padding is smaller than the window");
    const std::int64_t room = extent + padBefore + padAfter - size;
    const std::int64_t floor = room < 0 ? 0 : room / stride + 1;
    std::int64_t ceiling = room + stride - 1 < 0 ? 0 : (room + stride - 1) / stride + 1;
    if (ceiling > 0 && start(ceiling - 1) >= extent) --ceiling;
    requireShape(
        outputs >= 1 && (outputs == floor || outputs == ceiling),
        "y's height and width are (extent + padding - size) / stride + 1, rounded down or up");
  }
};

using WindowAxis = BasicWindowAxis<std::int64_t>;

// The windows [first, last) that cover row h, for rising h: the same as firstOutput and lastOutput,
// without their divisions.
struct WindowSweep {
  std::int64_t first = 0, last = 0;
  STRIATE_HD void reach(const WindowAxis& axis, std::int64_t h) {
    while (last < axis.outputs && axis.start(last) <= h) ++last;
    while (first < last && axis.start(first) + axis.size <= h) ++first;
  }
};

// The two axes of a pooling whose attributes have the common names.
template <class Attributes>
STRIATE_HD WindowAxis windowRows(const Attributes& a, const View& x, const View& y) {
  return {x.size[1], a.sizeH, a.strideH, a.padTop, a.padBottom, y.size[1]};
}
template <class Attributes>
STRIATE_HD WindowAxis windowColumns(const Attributes& a, const View& x, const View& y) {
  return {x.size[2], a.sizeW, a.strideW, a.padLeft, a.padRight, y.size[2]};
}

// Throws unless y is what the windows make of the batch x.
template <class Attributes>
inline void checkPooling(const Attributes& a, const View& x, const View& y) {
  requireShape(x.rank == 4 && y.rank == 4, "the volumes are batches [n, height, width, channels]");
  requireShape(x.size[0] == y.size[0], "both volumes hold the same number of images");
  requireShape(x.size[3] == y.size[3], "both volumes have the same channels");
  windowRows(a, x, y).check();
  windowColumns(a, x, y).check();
}

}  // namespace striate::ops
