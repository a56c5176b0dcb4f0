// How elementwise kernels walk views: dense views as one long row, channel ranges pixel by pixel,
// cut into pieces whose borders depend on the shape alone.
#pragma once
#include "cpu/kernel.h"
#include "cpu/simd.h"

// Stands before a loop whose iterations do not touch each other's elements, though an output may be
// the same buffer as an input: the compiler then vectorises without a check for overlap.
#if defined(__clang__)
#define STRIATE_LANES _Pragma("clang loop vectorize(assume_safety)")
#else
#define STRIATE_LANES _Pragma("GCC ivdep")
#endif

#if defined(STRIATE_ISA)
namespace striate::cpu::STRIATE_ISA {

// Elements that one piece of work holds: large enough to hide its dispatch.
constexpr std::int64_t kGrain = 16384;

// The first element of pixel `p`.
template <class T>
STRIATE_HD T* at(const View& v, std::int64_t pixel, std::int64_t channel = 0) {
  return v.as<T>() + pixel * v.pitch + channel;
}

// Cuts `rows` rows of `elements` elements each into pieces of about kGrain elements; body(begin,
// end).
template <class Body>
STRIATE_HD void forEachPiece(ThreadPool& threads, std::int64_t rows, std::int64_t elements,
                             const Body& body) {
  const std::int64_t step = larger(kGrain / larger(elements, 1), 1);
  threads.forEach(ceilDivide(rows, step),
                  [&](std::int64_t i, int) { body(i * step, smaller((i + 1) * step, rows)); });
}

// Calls body(pixel, channel, count) for runs of `count` elements that are contiguous in every view.
// All views have the same shape.
template <int Count, class Body>
STRIATE_HD void forEachRun(ThreadPool& threads, const View* const (&views)[Count],
                           const Body& body) {
  bool dense = true;
  for (const View* v : views) dense = dense && v->dense();
  const std::int64_t pixels = views[0]->pixels(), channels = views[0]->channels();
  if (dense) {
    forEachPiece(threads, pixels * channels, 1, [&](std::int64_t begin, std::int64_t end) {
      body(std::int64_t(0), begin, end - begin);
    });
    return;
  }
  forEachPiece(threads, pixels, channels, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t p = begin; p < end; ++p) body(p, std::int64_t(0), channels);
  });
}

// A compile-time choice, made once outside the loops.
template <bool Value>
struct Choice {
  static constexpr bool value = Value;
};
template <class F>
STRIATE_HD void choose(bool value, F&& f) {
  if (value)
    f(Choice<true>());
  else
    f(Choice<false>());
}

// Writes or adds, as the output's access says.
template <bool Add, class T>
STRIATE_HD void put(T& to, T value) {
  if constexpr (Add)
    to += value;
  else
    to = value;
}

// y = f(x), elementwise.
template <class T, class F>
STRIATE_HD void map(ThreadPool& threads, const View& x, const View& y, const F& f) {
  choose(y.accumulates(), [&](auto add) {
    forEachRun(threads, {&x, &y}, [&](std::int64_t pixel, std::int64_t c, std::int64_t count) {
      const T* from = at<T>(x, pixel, c);
      T* to = at<T>(y, pixel, c);
      STRIATE_LANES
      for (std::int64_t i = 0; i < count; ++i) put<add.value>(to[i], f(from[i]));
    });
  });
}

// y = f(a, b), elementwise.
template <class T, class F>
STRIATE_HD void map(ThreadPool& threads, const View& a, const View& b, const View& y, const F& f) {
  choose(y.accumulates(), [&](auto add) {
    forEachRun(threads, {&a, &b, &y}, [&](std::int64_t pixel, std::int64_t c, std::int64_t count) {
      const T* left = at<T>(a, pixel, c);
      const T* right = at<T>(b, pixel, c);
      T* to = at<T>(y, pixel, c);
      STRIATE_LANES
      for (std::int64_t i = 0; i < count; ++i) put<add.value>(to[i], f(left[i], right[i]));
    });
  });
}

// A vector of a run of elements: whole, or the tail's first `count` lanes.
struct Whole {};
struct Part {
  std::int64_t count;
};
template <class T>
STRIATE_HD Vector<T> load(const T* from, Whole) {
  return load(from);
}
template <class T>
STRIATE_HD Vector<T> load(const T* from, Part part) {
  return loadPartial(from, part.count);
}
template <bool Add, class T>
STRIATE_HD void put(T* to, Vector<T> value, Whole) {
  if constexpr (Add)
    store(to, load(to) + value);
  else
    store(to, value);
}
template <bool Add, class T>
STRIATE_HD void put(T* to, Vector<T> value, Part part) {
  if constexpr (Add)
    storePartial(to, loadPartial(to, part.count) + value, part.count);
  else
    storePartial(to, value, part.count);
}

// Calls body(i, Whole() or Part) for the vectors of `count` elements. With `Again` the tail is a
// whole vector that overlaps the one before it, where there is one: allowed when nothing is added
// to.
template <class T, bool Again, class Body>
STRIATE_HD void forEachVector(std::int64_t count, const Body& body) {
  std::int64_t i = 0;
  for (; i + kLanes<T> <= count; i += kLanes<T>) body(i, Whole());
  if (i == count) return;
  if (Again && count >= kLanes<T>)
    body(count - kLanes<T>, Whole());
  else
    body(i, Part{count - i});
}

// Vectors [C] meet volumes: with few channels several pixels are taken as one wide row, so that the
// inner loops stay long. A vector repeats along the row with period C; the last row of a range may
// be shorter.
struct WideRows {
  static constexpr std::int64_t kWidth = 128;
  std::int64_t channels, fold, width;

  STRIATE_HD WideRows(std::int64_t c, bool dense)
      : channels(c), fold(dense && c < kWidth ? kWidth / c : 1), width(fold * c) {}

  // The vector repeated along the row: `vector` itself, or a copy in `buffer` (kWidth elements).
  template <class T>
  STRIATE_HD const T* repeat(const T* vector, T* buffer) const {
    if (fold == 1) return vector;
    for (std::int64_t f = 0; f < fold; ++f)
      for (std::int64_t c = 0; c < channels; ++c) buffer[f * channels + c] = vector[c];
    return buffer;
  }
  // `count` elements of the row of pixels from `pixel` on, where they lie; of a volume with gaps a copy in
  // `buffer` (kWidth elements). Sums in this order are those of a dense volume, to the bit. Rows of
  // several pixels only.
  template <class T>
  STRIATE_HD const T* row(const View& v, std::int64_t pixel, std::int64_t count, T* buffer) const {
    if (v.dense()) return at<T>(v, pixel);
    for (std::int64_t i = 0; i < count; i += channels) {
      const T* from = at<T>(v, pixel++);
      for (std::int64_t c = 0; c < channels; ++c) buffer[i + c] = from[c];
    }
    return buffer;
  }
  // body(pixel, count): rows of `count` elements that start at `pixel`, over pixels [begin, end).
  template <class Body>
  STRIATE_HD void forEach(std::int64_t begin, std::int64_t end, const Body& body) const {
    for (std::int64_t p = begin; p < end; p += fold) body(p, smaller(fold, end - p) * channels);
  }
};

}  // namespace striate::cpu::STRIATE_ISA
#endif
