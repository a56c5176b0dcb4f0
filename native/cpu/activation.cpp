// Activations and their gradients; see ops/activation.h. Reads and writes each element once.
#include "ops/activation.h"

#include "cpu/rows.h"
#include "cpu/vector_math.h"

namespace striate::cpu::STRIATE_ISA {

using ops::Activation;

namespace {
struct Math {
  template <class T>
  STRIATE_HD static T exponential(T x) {
    return STRIATE_ISA::exponential(x);
  }
  template <class T>
  STRIATE_HD static T exponentialMinusOne(T x) {
    return STRIATE_ISA::exponentialMinusOne(x);
  }
  template <class T>
  STRIATE_HD static T hyperbolicTangent(T x) {
    return STRIATE_ISA::hyperbolicTangent(x);
  }
  template <class T>
  STRIATE_HD static T logOnePlus(T u) {
    return STRIATE_ISA::logOnePlus(u);
  }
  template <class T>
  STRIATE_HD static NormalLaw<T> normalLaw(T z) {
    return STRIATE_ISA::normalLaw(z);
  }
};

template <int Kind, class T>
STRIATE_HD void run(const Call& call, const Activation::Attributes& a) {
  const View* v = call.views;
  ThreadPool& threads = call.context.threads;
  const T alpha = T(a.alpha), threshold = T(a.threshold);
  if (call.op == Activation::Forward)
    return map<T>(threads, v[0], v[1],
                  [=](T x) { return Activation::value<Kind, Math>(x, alpha, threshold); });
  map<T>(threads, v[Activation::readsOutput(Kind) ? 1 : 0], v[2], v[3], [=](T given, T dy) {
    return Activation::gradient<Kind, Math>(given, dy, alpha, threshold);
  });
}
}  // namespace

void activation(const Call& call) {
  const auto& a = *static_cast<const Activation::Attributes*>(call.attributes);
  const View& dyOrX = call.views[call.op == Activation::Forward ? 0 : 2];
  forFloatType(dyOrX.dtype, [&](auto type) {
    using T = decltype(type);
    switch (a.kind) {
      case Activation::LeakyRelu:
        return run<Activation::LeakyRelu, T>(call, a);
      case Activation::Elu:
        return run<Activation::Elu, T>(call, a);
      case Activation::Sigmoid:
        return run<Activation::Sigmoid, T>(call, a);
      case Activation::Tanh:
        return run<Activation::Tanh, T>(call, a);
      case Activation::Softplus:
        return run<Activation::Softplus, T>(call, a);
      case Activation::Silu:
        return run<Activation::Silu, T>(call, a);
      case Activation::Gelu:
        return run<Activation::Gelu, T>(call, a);
      case Activation::GeluTanh:
        return run<Activation::GeluTanh, T>(call, a);
      case Activation::HardSwish:
        return run<Activation::HardSwish, T>(call, a);
      case Activation::HardSigmoid:
        return run<Activation::HardSigmoid, T>(call, a);
      case Activation::Relu6:
        return run<Activation::Relu6, T>(call, a);
    }
  });
}

}  // namespace striate::cpu::STRIATE_ISA
