// The multiclass hinge, row by row; see ops/svm_hinge.h. The classes before and after the label are two
// loops without a branch.
#include "ops/svm_hinge.h"

#include "cpu/classes.h"

namespace striate::cpu::STRIATE_ISA {

using ops::SvmHinge;

namespace {
template <bool Squared, class T>
STRIATE_HD double sumOfLosses(const T* x, std::int64_t count, T shift) {
  double lanes[kPartials] = {};
  std::int64_t i = 0;
  for (; i + kPartials <= count; i += kPartials)
    for (int k = 0; k < kPartials; ++k)
      lanes[k] += double(SvmHinge::loss<Squared>(x[i + k] + shift));
  for (int k = 0; i < count; ++i, ++k) lanes[k] += double(SvmHinge::loss<Squared>(x[i] + shift));
  double sum = 0;
  for (double lane : lanes) sum += lane;
  return sum;
}

template <bool Squared, class T>
STRIATE_HD void forward(const Call& call, const SvmHinge::Attributes& a) {
  const View &logits = call.views[0], &labels = call.views[1];
  const std::int64_t rows = logits.size[0], classes = logits.size[1];
  T* losses = call.views[2].as<T>();
  ClassCounts counts;
  forEachPiece(call.context.threads, rows, 2 * classes, [&](std::int64_t begin, std::int64_t end) {
    ClassCounts own;
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t label = labels.as<std::int32_t>()[i];
      losses[i] = T(0);
      if (label == a.ignoreLabel) continue;
      ++own.rows;
      if (label < 0 || label >= classes) {
        losses[i] = T(__builtin_nan(""));
        continue;
      }
      const T* row = at<T>(logits, i);
      const T shift = T(a.margin) - row[label];
      losses[i] = T(sumOfLosses<Squared>(row, label, shift) +
                    sumOfLosses<Squared>(row + label + 1, classes - label - 1, shift));
      if (losses[i] == losses[i]) own.add(rankOf(row, classes, label));
    }
    counts.addAtomically(own);
  });
  counts.write(losses, rows, call.views[3].as<T>());
}

// The gradients of `count` classes; returns the sum of their slopes.
template <bool Squared, bool Add, class T>
STRIATE_HD double writeSlopes(const T* x, std::int64_t count, T shift, T scale, T* to) {
  double lanes[kPartials] = {};
  std::int64_t i = 0;
  for (; i + kPartials <= count; i += kPartials) {
    STRIATE_LANES
    for (int k = 0; k < kPartials; ++k) {
      const T slope = SvmHinge::slope<Squared>(x[i + k] + shift);
      lanes[k] += double(slope);
      put<Add>(to[i + k], slope * scale);
    }
  }
  for (int k = 0; i < count; ++i, ++k) {
    const T slope = SvmHinge::slope<Squared>(x[i] + shift);
    lanes[k] += double(slope);
    put<Add>(to[i], slope * scale);
  }
  double sum = 0;
  for (double lane : lanes) sum += lane;
  return sum;
}

template <bool Squared, class T>
STRIATE_HD void backward(const Call& call, const SvmHinge::Attributes& a) {
  const View &logits = call.views[0], &labels = call.views[1], &dx = call.views[3];
  const std::int64_t rows = logits.size[0], classes = logits.size[1];
  const double scale = call.context.control.lossScale / double(call.views[2].as<T>()[1]);
  choose(dx.accumulates(), [&](auto add) {
    forEachPiece(
        call.context.threads, rows, 2 * classes, [&](std::int64_t begin, std::int64_t end) {
          for (std::int64_t i = begin; i < end; ++i) {
            const std::int64_t label = labels.as<std::int32_t>()[i];
            const T* row = at<T>(logits, i);
            T* to = at<T>(dx, i);
            if (label == a.ignoreLabel || label < 0 || label >= classes) {
              const T value = label == a.ignoreLabel ? T(0) : T(__builtin_nan(""));
              for (std::int64_t j = 0; j < classes; ++j) put<add.value>(to[j], value);
              continue;
            }
            const T shift = T(a.margin) - row[label];
            const double before = writeSlopes<Squared, add.value>(row, label, shift, T(scale), to);
            const double after = writeSlopes<Squared, add.value>(
                row + label + 1, classes - label - 1, shift, T(scale), to + label + 1);
            put<add.value>(to[label], T(-(before + after) * scale));
          }
        });
  });
}
}  // namespace

void svm_hinge(const Call& call) {
  const auto& attributes = *static_cast<const SvmHinge::Attributes*>(call.attributes);
  forFloatType(call.views[0].dtype, [&](auto type) {
    using T = decltype(type);
    choose(attributes.squared != 0, [&](auto squared) {
      if (call.op == SvmHinge::Forward)
        forward<squared.value, T>(call, attributes);
      else
        backward<squared.value, T>(call, attributes);
    });
  });
}

}  // namespace striate::cpu::STRIATE_ISA
