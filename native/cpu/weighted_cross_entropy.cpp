// Cross-entropy with weighted classes and distributions as targets, row by row; see
// ops/weighted_cross_entropy.h.
#include "ops/weighted_cross_entropy.h"

#include "cpu/classes.h"

namespace striate::cpu::STRIATE_ISA {

using ops::WeightedCrossEntropy;

namespace {
// w_c t_c of a row.
template <class T>
struct Distribution {
  const T* given;    // u, or null for a label
  const T* weights;  // or null
  std::int64_t label;
  T keep, share;  // 1 - labelSmoothing, labelSmoothing / C

  STRIATE_HD T operator()(std::int64_t c) const {
    const T u = given != nullptr ? given[c] : T(c == label);
    const T t = keep * u + share;
    return weights != nullptr ? weights[c] * t : t;
  }
};

template <class T>
struct Rows {
  const View &logits, &targets;
  const T* weights;
  bool soft;
  std::int32_t ignoreLabel;
  T keep, share;

  STRIATE_HD Rows(const Call& call, const WeightedCrossEntropy::Attributes& a)
      : logits(call.views[0]),
        targets(call.views[1]),
        weights(call.views[2] ? call.views[2].as<T>() : nullptr),
        soft(call.op >= WeightedCrossEntropy::SoftForward),
        ignoreLabel(a.ignoreLabel),
        keep(T(1) - T(a.labelSmoothing)),
        share(T(a.labelSmoothing) / T(call.views[0].size[1])) {}

  STRIATE_HD std::int64_t n() const { return logits.size[0]; }
  STRIATE_HD std::int64_t classes() const { return logits.size[1]; }
  STRIATE_HD bool ignored(std::int64_t i) const {
    return !soft && targets.as<std::int32_t>()[i] == ignoreLabel;
  }
  // The row's class; -1 for a label that is none.
  STRIATE_HD std::int64_t label(std::int64_t i) const {
    if (!soft) {
      const std::int64_t label = targets.as<std::int32_t>()[i];
      return label >= 0 && label < classes() ? label : -1;
    }
    const T* u = at<T>(targets, i);
    std::int64_t most = 0;
    for (std::int64_t c = 1; c < classes(); ++c)
      if (u[c] > u[most]) most = c;
    return most;
  }
  STRIATE_HD Distribution<T> distribution(std::int64_t i, std::int64_t label) const {
    return {soft ? at<T>(targets, i) : nullptr, weights, label, keep, share};
  }
  // What a row counts in the divisor.
  STRIATE_HD double weight(std::int64_t i) const {
    if (soft) return 1;
    const std::int64_t own = label(i);
    return ignored(i) || own < 0 ? 0 : weights != nullptr ? double(weights[own]) : 1;
  }
};

template <class T>
STRIATE_HD void forward(const Call& call, const WeightedCrossEntropy::Attributes& a) {
  const Rows<T> rows(call, a);
  const std::int64_t classes = rows.classes();
  T* losses = call.views[3].as<T>();
  ClassCounts counts;
  forEachPiece(call.context.threads, rows.n(), 8 * classes,
               [&](std::int64_t begin, std::int64_t end) {
                 ClassCounts own;
                 for (std::int64_t i = begin; i < end; ++i) {
                   losses[i] = T(0);
                   if (rows.ignored(i)) continue;
                   ++own.rows;
                   const std::int64_t label = rows.label(i);
                   if (label < 0) {
                     losses[i] = T(__builtin_nan(""));
                     continue;
                   }
                   const T* row = at<T>(rows.logits, i);
                   const T max = largest(row, classes);
                   const double logSum = __builtin_log(sumOfExponentials(row, classes, max));
                   // No difference of large numbers: each term of a distribution is 0 or more.
                   const Distribution<T> wt = rows.distribution(i, label);
                   double sum = 0;
                   for (std::int64_t c = 0; c < classes; ++c)
                     sum += double(wt(c)) * (double(max - row[c]) + logSum);
                   losses[i] = T(sum);
                   if (sum == sum) own.add(rankOf(row, classes, label));
                 }
                 counts.addAtomically(own);
               });
  T* statistics = call.views[4].as<T>();
  counts.write(losses, rows.n(), statistics);
  double divisor = 0;
  for (std::int64_t i = 0; i < rows.n(); ++i) divisor += rows.weight(i);
  statistics[WeightedCrossEntropy::kDivisor] = T(divisor);
}

template <class T>
STRIATE_HD void backward(const Call& call, const WeightedCrossEntropy::Attributes& a) {
  const Rows<T> rows(call, a);
  const View& dx = call.views[4];
  const std::int64_t classes = rows.classes();
  const double divisor = double(call.views[3].as<T>()[WeightedCrossEntropy::kDivisor]);
  const T scale = T(call.context.control.lossScale / divisor);
  choose(dx.accumulates(), [&](auto add) {
    forEachPiece(call.context.threads, rows.n(), 8 * classes,
                 [&](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t i = begin; i < end; ++i) {
                     const T* row = at<T>(rows.logits, i);
                     T* to = at<T>(dx, i);
                     const std::int64_t label = rows.label(i);
                     if (rows.ignored(i) || label < 0) {
                       const T value = rows.ignored(i) ? T(0) : T(__builtin_nan(""));
                       for (std::int64_t c = 0; c < classes; ++c) put<add.value>(to[c], value);
                       continue;
                     }
                     const T max = largest(row, classes);
                     const Distribution<T> wt = rows.distribution(i, label);
                     double mass = 0;
                     for (std::int64_t c = 0; c < classes; ++c) mass += double(wt(c));
                     const T factor = T(mass / sumOfExponentials(row, classes, max));
                     STRIATE_LANES
                     for (std::int64_t c = 0; c < classes; ++c)
                       put<add.value>(to[c], (exponential(row[c] - max) * factor - wt(c)) * scale);
                   }
                 });
  });
}
}  // namespace

void weighted_cross_entropy(const Call& call) {
  const auto& attributes = *static_cast<const WeightedCrossEntropy::Attributes*>(call.attributes);
  const bool isForward =
      call.op == WeightedCrossEntropy::Forward || call.op == WeightedCrossEntropy::SoftForward;
  forFloatType(call.views[0].dtype, [&](auto type) {
    using T = decltype(type);
    if (isForward)
      forward<T>(call, attributes);
    else
      backward<T>(call, attributes);
  });
}

}  // namespace striate::cpu::STRIATE_ISA
