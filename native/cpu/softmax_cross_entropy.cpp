// Softmax and cross-entropy, row by row; see ops/softmax_cross_entropy.h.
#include "ops/softmax_cross_entropy.h"

#include "cpu/classes.h"

namespace striate::cpu::STRIATE_ISA {

using ops::SoftmaxCrossEntropy;

namespace {
// The sum without the label's own term: for a row that is nearly certain, loss and gradient are as
// small as this, and a difference from 1 would lose their digits.
template <class T>
STRIATE_HD double sumOfOthers(const T* x, std::int64_t count, std::int64_t label, T max) {
  return sumOfExponentials(x, label, max) +
         sumOfExponentials(x + label + 1, count - label - 1, max);
}

// to = exp(x - max) * factor; `to` may be x.
template <bool Add, class T>
STRIATE_HD void writeSoftmax(const T* x, std::int64_t count, T max, T factor, T* to) {
  STRIATE_LANES
  for (std::int64_t i = 0; i < count; ++i) put<Add>(to[i], exponential(x[i] - max) * factor);
}

template <class T>
STRIATE_HD void softmax(ThreadPool& threads, const View& x, const View& y) {
  const std::int64_t classes = x.channels();
  choose(y.accumulates(), [&](auto add) {
    forEachPiece(threads, x.pixels(), 8 * classes, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t p = begin; p < end; ++p) {
        const T* row = at<T>(x, p);
        const T max = largest(row, classes);
        const T factor = T(1 / sumOfExponentials(row, classes, max));
        writeSoftmax<add.value>(row, classes, max, factor, at<T>(y, p));
      }
    });
  });
}

// Top-1 and top-5 hits wait in the statistics' order; losses are written by row, then added up.
template <class T>
STRIATE_HD void forward(const Call& call, std::int32_t ignore) {
  const View &logits = call.views[0], &labels = call.views[1];
  const std::int64_t rows = logits.size[0], classes = logits.size[1];
  T* losses = call.views[2].as<T>();
  std::int64_t hits1 = 0, hits5 = 0;
  forEachPiece(call.context.threads, rows, 8 * classes, [&](std::int64_t begin, std::int64_t end) {
    std::int64_t first = 0, five = 0;
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int32_t label = labels.as<std::int32_t>()[i];
      if (label == ignore) {
        losses[i] = T(0);
        continue;
      }
      if (label < 0 || label >= classes) {
        losses[i] = T(__builtin_nan(""));
        continue;
      }
      const T* row = at<T>(logits, i);
      const T own = row[label], max = largest(row, classes);
      const double others = sumOfOthers(row, classes, label, max);
      losses[i] =
          own == max
              ? T(__builtin_log1p(others))
              : T(logarithm(others + double(exponential(own - max))) + (double(max) - double(own)));
      if (losses[i] != losses[i]) continue;
      const std::int32_t rank = rankOf(row, classes, label);
      first += rank < 1;
      five += rank < 5;
    }
    __atomic_fetch_add(&hits1, first, __ATOMIC_RELAXED);
    __atomic_fetch_add(&hits5, five, __ATOMIC_RELAXED);
  });

  double sum = 0;
  std::int64_t count = 0;
  for (std::int64_t i = 0; i < rows; ++i) {
    if (labels.as<std::int32_t>()[i] == ignore) continue;
    sum += double(losses[i]);
    ++count;
  }
  T* statistics = call.views[3].as<T>();
  statistics[SoftmaxCrossEntropy::LossSum] = T(sum);
  statistics[SoftmaxCrossEntropy::Count] = T(count);
  statistics[SoftmaxCrossEntropy::Top1] = T(hits1);
  statistics[SoftmaxCrossEntropy::Top5] = T(hits5);
}

template <class T>
STRIATE_HD void backward(const Call& call, std::int32_t ignore) {
  const View &logits = call.views[0], &labels = call.views[1], &dx = call.views[3];
  const std::int64_t rows = logits.size[0], classes = logits.size[1];
  const double count = double(call.views[2].as<T>()[SoftmaxCrossEntropy::Count]);
  const double scale = call.context.control.lossScale / count;
  choose(dx.accumulates(), [&](auto add) {
    forEachPiece(call.context.threads, rows, 8 * classes,
                 [&](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t i = begin; i < end; ++i) {
                     const std::int32_t label = labels.as<std::int32_t>()[i];
                     const T* row = at<T>(logits, i);
                     T* to = at<T>(dx, i);
                     if (label == ignore || label < 0 || label >= classes) {
                       const T value = label == ignore ? T(0) : T(__builtin_nan(""));
                       for (std::int64_t j = 0; j < classes; ++j) put<add.value>(to[j], value);
                       continue;
                     }
                     // At the label softmax - 1 is minus the share of all others.
                     const T own = row[label], max = largest(row, classes);
                     const double others = sumOfOthers(row, classes, label, max);
                     const double sum = others + double(exponential(own - max));
                     const T before = to[label];
                     writeSoftmax<add.value>(row, classes, max, T(scale / sum), to);
                     const T gradient = T(-others / sum * scale);
                     to[label] = add.value ? before + gradient : gradient;
                   }
                 });
  });
}
}  // namespace

void softmax_cross_entropy(const Call& call) {
  const auto& attributes = *static_cast<const SoftmaxCrossEntropy::Attributes*>(call.attributes);
  forFloatType(call.views[0].dtype, [&](auto type) {
    using T = decltype(type);
    switch (call.op) {
      case SoftmaxCrossEntropy::Forward:
        return forward<T>(call, attributes.ignoreLabel);
      case SoftmaxCrossEntropy::Backward:
        return backward<T>(call, attributes.ignoreLabel);
      case SoftmaxCrossEntropy::Softmax:
        return softmax<T>(call.context.threads, call.views[0], call.views[1]);
    }
  });
}

}  // namespace striate::cpu::STRIATE_ISA
