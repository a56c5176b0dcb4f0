// relu and its gradient; see ops/relu.h. Reads and writes each element once.
#include "ops/relu.h"

#include "cpu/rows.h"

namespace striate::cpu::STRIATE_ISA {

using ops::Relu;

void relu(const Call& call) {
  const View* v = call.views;
  ThreadPool& threads = call.context.threads;
  forFloatType(v[0].dtype, [&](auto type) {
    using T = decltype(type);
    if (call.op == Relu::Forward) {
      const View &x = v[0], &y = v[1];
      forEachRun(threads, {&x, &y}, [&](std::int64_t pixel, std::int64_t c, std::int64_t count) {
        const T* from = x.as<T>() + pixel * x.pitch + c;
        T* to = y.as<T>() + pixel * y.pitch + c;
        for (std::int64_t i = 0; i < count; ++i) to[i] = Relu::value(from[i]);
      });
      return;
    }
    const View &y = v[0], &dy = v[1], &dx = v[2];
    const T keep = dx.accumulates() ? T(1) : T(0);
    forEachRun(threads, {&y, &dy, &dx}, [&](std::int64_t pixel, std::int64_t c, std::int64_t count) {
      const T* out = y.as<T>() + pixel * y.pitch + c;
      const T* from = dy.as<T>() + pixel * dy.pitch + c;
      T* to = dx.as<T>() + pixel * dx.pitch + c;
      if (keep == T(0))
        for (std::int64_t i = 0; i < count; ++i) to[i] = Relu::slope(out[i]) > T(0) ? from[i] : T(0);
      else
        for (std::int64_t i = 0; i < count; ++i) to[i] += Relu::slope(out[i]) > T(0) ? from[i] : T(0);
    });
  });
}

}  // namespace striate::cpu::STRIATE_ISA
