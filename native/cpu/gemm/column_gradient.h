// Gradient by the input the other way round: the gradients of all windows' elements, columns = dy * w^T,
// one image at a time in the thread's scratch memory, of which each pixel of dx then gathers its own.
//
// The gather over flipped filters (loops.h) multiplies by the zeros around dy, as many as the padding is
// wide, and fills vectors with channels of x, which may be few. On small images with large filters and
// few channels that is most of its work; here there is none of it, at the price of one addition for
// each element of each window.
#pragma once
#include "cpu/gemm/loops.h"

#if defined(STRIATE_ISA)
namespace striate::cpu::STRIATE_ISA {

template <class T>
struct ColumnGradient {
  using B = Blocks<T>;
  // Images below which there are too few tasks.
  static constexpr std::int64_t kFewestImages = 4;
  static constexpr std::int64_t kBlockBytes =
      B::MC * std::int64_t(sizeof(std::int64_t) + B::kRowStride * sizeof(T));
  // An addition and its memory traffic, in multiply-adds of the micro-kernel.
  static constexpr std::int64_t kAddition = 16;

  std::int64_t images;
  Source<T> dy;        // one group
  const T* w;          // the group's first column of [R*S*C, K]
  std::int64_t pitch;  // of w
  std::int64_t filterHeight, filterWidth;
  std::int64_t channels;  // C of the group

  std::int64_t columns() const { return filterHeight * filterWidth * channels; }

  // Whether this way is the cheaper one for a gradient of `pixels` pixels an image, strides `stride`
  // (their product), and possible.
  bool pays(std::int64_t pixels, std::int64_t stride) const {
    const std::int64_t windows = dy.height * dy.width, area = filterHeight * filterWidth,
                       K = dy.channels;
    const std::int64_t gathering = pixels * area / stride * K * roundUp(channels, kLanes<T>);
    const std::int64_t scattering = windows * (K + kAddition) * roundUp(columns(), kLanes<T>);
    const std::int64_t packed =
        ops::Conv2d::packedRows(area * K, channels) * ops::Conv2d::paddedColumns(channels);
    const std::int64_t memory =
        kBlockBytes + kVectorBytes + windows * columns() * std::int64_t(sizeof(T));
    return images >= kFewestImages && scattering < gathering &&
           K * roundUp(columns(), B::NR) <= packed &&
           memory <= std::int64_t(ThreadPool::kScratchBytes);
  }

  template <class Axis>
  void run(ThreadPool& threads, const Axis& axis, const Grid& whole, const Target<T>& target,
           T* workspace) const {
    const std::int64_t depth = dy.channels, panels = ceilDivide(columns(), B::NR);
    const GatherAxis one{1, 0, 1, 1, 0, 1};
    const BackwardFilters<T> filters{w, pitch, columns(), depth, 1, one, one};
    threads.forEach(panels, [&](std::int64_t panel, int) {
      filters.pack(workspace + panel * depth * B::NR, panel * B::NR, 0, depth);
    });
    threads.forEach(images, [&](std::int64_t image, int worker) {
      std::int64_t* offset = static_cast<std::int64_t*>(threads.scratch(worker));
      T* a = reinterpret_cast<T*>(offset + B::MC);
      T* gradients = a + B::MC * B::kRowStride;
      multiplyImage(image, {workspace, depth * B::NR, B::NR, nullptr, columns()}, a, offset,
                    gradients);
      for (std::int64_t phaseH = 0; phaseH < smaller(whole.stepH, whole.outHeight); ++phaseH)
        for (std::int64_t phaseW = 0; phaseW < smaller(whole.stepW, whole.outWidth); ++phaseW)
          gatherPhase(gradients, axis.vertical(phaseH), axis.horizontal(phaseW), image, phaseH,
                      phaseW, whole, target);
    });
  }

 private:
  // gradients[P*Q, R*S*C] = dy[image] * w^T.
  void multiplyImage(std::int64_t image, const Panels<T>& b, T* a, std::int64_t* offset,
                     T* gradients) const {
    const std::int64_t count = dy.height * dy.width, depth = dy.channels;
    const GatherAxis one{1, 0, 1, 1, 0, 1};
    Windows<T> windows{dy, one, one, 1, count};
    windows.source.data += image * count * dy.pitch;
    windows.source.height = 1;
    windows.source.width = count;
    const Cut rows{count, B::MR, ceilDivide(count, B::MC)},
        steps{depth, 4, ceilDivide(depth, B::KC)};
    for (std::int64_t part = 0; part < rows.parts; ++part) {
      const std::int64_t row = rows.begin(part), height = rows.begin(part + 1) - row;
      for (std::int64_t i = 0; i < height; ++i) offset[i] = (row + i) * columns();
      for (std::int64_t step = 0; step < steps.parts; ++step) {
        const std::int64_t k = steps.begin(step), length = steps.begin(step + 1) - k;
        windows.pack(a, row, height, k, length);
        multiplyBlock<T, Packing::Rows>(a, B::MR * B::kRowStride, height, length, b, k, 0,
                                        columns(), {gradients, step > 0, false, nullptr}, offset);
      }
    }
  }

  // Pixels of one phase of the stride (as in loops.h): sums over their taps, in a fixed order.
  void gatherPhase(const T* gradients, const GatherAxis& h, const GatherAxis& v, std::int64_t image,
                   std::int64_t phaseH, std::int64_t phaseW, const Grid& whole,
                   const Target<T>& target) const {
    for (std::int64_t y = phaseH, i = 0; y < whole.outHeight; y += whole.stepH, ++i) {
      const TapRange rows = tapsInside(h, i, dy.height);
      T* out = target.c + ((image * whole.outHeight + y) * whole.outWidth + phaseW) * whole.pitch;
      for (std::int64_t x = phaseW, j = 0; x < whole.outWidth;
           x += whole.stepW, ++j, out += whole.stepW * whole.pitch) {
        const TapRange taps = tapsInside(v, j, dy.width);
        for (std::int64_t c = 0; c < channels; c += kLanes<T>) {
          const std::int64_t left = smaller(kLanes<T>, channels - c);
          Vector<T> sum = {};
          for (std::int64_t r = rows.begin; r < rows.end; ++r) {
            const std::int64_t p = i + h.first + r * h.delta,
                               filterRow = h.filterFirst + r * h.filterStep;
            for (std::int64_t s = taps.begin; s < taps.end; ++s) {
              const std::int64_t q = j + v.first + s * v.delta,
                                 filterColumn = v.filterFirst + s * v.filterStep;
              const T* from = gradients + (p * dy.width + q) * columns() +
                              (filterRow * filterWidth + filterColumn) * channels + c;
              sum += load(from);  // beyond `left` anything: it is not stored
            }
          }
          if (target.add) sum += loadPartial(out + c, left);
          storePartial(out + c, sum, left);
        }
      }
    }
  }
};

}  // namespace striate::cpu::STRIATE_ISA
#endif
