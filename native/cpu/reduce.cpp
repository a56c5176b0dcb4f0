// Sum and mean of all elements, and their gradient; see ops/reduce.h. Sums run in double.
#include "ops/reduce.h"

#include "cpu/rows.h"

namespace striate::cpu::STRIATE_ISA {

using ops::Reduce;

namespace {
// Adds a row to the partial sums: element i to sum i % kPartials.
constexpr int kPartials = 16;
template <class T>
STRIATE_HD void addRow(const T* from, std::int64_t count, double* partials) {
  std::int64_t i = 0;
  for (; i + kPartials <= count; i += kPartials)
    for (int k = 0; k < kPartials; ++k) partials[k] += double(from[i + k]);
  for (int k = 0; i < count; ++i, ++k) partials[k] += double(from[i]);
}
}  // namespace

void reduce(const Call& call) {
  const auto& attributes = *static_cast<const Reduce::Attributes*>(call.attributes);
  const View &x = call.views[0], &y = call.views[1];
  ThreadPool& threads = call.context.threads;
  const bool mean = attributes.kind == Reduce::Mean;
  forFloatType(y.dtype, [&](auto type) {
    using T = decltype(type);
    if (call.op == Reduce::Broadcast) {
      const T value = mean ? *x.as<T>() / T(y.elements()) : *x.as<T>();
      choose(y.accumulates(), [&](auto add) {
        forEachRun(threads, {&y}, [&](std::int64_t pixel, std::int64_t c, std::int64_t count) {
          T* to = at<T>(y, pixel, c);
          for (std::int64_t i = 0; i < count; ++i) put<add.value>(to[i], value);
        });
      });
      return;
    }
    // A dense volume is one row of elements, cut anywhere; otherwise whole pixels make a part.
    const bool dense = x.dense();
    const std::int64_t units = dense ? x.elements() : x.pixels();
    const std::int64_t length = dense ? 1 : x.channels();
    const std::int64_t parts = larger(smaller(Reduce::kParts, units * length / kGrain), 1);
    double* sums = call.views[2].as<double>();
    threads.forEach(parts, [&](std::int64_t part, int) {
      const std::int64_t begin = part * units / parts, end = (part + 1) * units / parts;
      double partials[kPartials] = {};
      if (dense)
        addRow(x.as<T>() + begin, end - begin, partials);
      else
        for (std::int64_t p = begin; p < end; ++p) addRow(at<T>(x, p), length, partials);
      double sum = 0;
      for (double partial : partials) sum += partial;
      sums[part] = sum;
    });
    double total = 0;
    for (std::int64_t part = 0; part < parts; ++part) total += sums[part];
    const T value = T(mean ? total / double(x.elements()) : total);
    if (y.accumulates())
      *y.as<T>() += value;
    else
      *y.as<T>() = value;
  });
}

}  // namespace striate::cpu::STRIATE_ISA
