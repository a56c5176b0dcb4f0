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
    if (call.op == Relu::Forward)
      map<T>(threads, v[0], v[1], [](T x) { return Relu::value(x); });
    else
      map<T>(threads, v[0], v[1], v[2],
             [](T y, T dy) { return Relu::slope(y) > T(0) ? dy : T(0); });
  });
}

}  // namespace striate::cpu::STRIATE_ISA
