// Activations and their gradients; see ops/activation.h. Must move: x and y (x or y, dy and dx) once each;
// moves that.
#include "ops/activation.h"

#include "cuda/elementwise.h"

namespace striate::cuda {

using ops::Activation;

namespace {

struct NormalLaw {
  float tail, density;
};

// CUDA's own functions, of at most 4 ulp (CUDA C++ Programming Guide, mathematical functions).
struct Math {
  STRIATE_HD static float exponential(float x) { return expf(x); }
  STRIATE_HD static float exponentialMinusOne(float x) { return expm1f(x); }
  STRIATE_HD static float hyperbolicTangent(float x) { return tanhf(x); }
  STRIATE_HD static float logOnePlus(float u) { return log1pf(u); }
  STRIATE_HD static NormalLaw normalLaw(float z) {
    return {0.5f * erfcf(0.707106781f * z), 0.398942280f * expf(-0.5f * z * z)};
  }
};

template <int Kind>
struct Value : Stateless {
  float alpha, threshold;
  __host__ __device__ Value(float a, float t) : alpha(a), threshold(t) {}
  STRIATE_HD float operator()(float x) const {
    return Activation::value<Kind, Math>(x, alpha, threshold);
  }
};

template <int Kind>
struct Gradient : Stateless {
  float alpha, threshold;
  __host__ __device__ Gradient(float a, float t) : alpha(a), threshold(t) {}
  STRIATE_HD float operator()(float given, float dy) const {
    return Activation::gradient<Kind, Math>(given, dy, alpha, threshold);
  }
};

template <int Kind>
void run(const Call& call, const Activation::Attributes& a) {
  const View* v = call.views;
  const cudaStream_t stream = call.context.stream;
  if (call.op == Activation::Forward)
    map("activation", stream, Value<Kind>(a.alpha, a.threshold), v[1], v[0]);
  else
    map("activationBackward", stream, Gradient<Kind>(a.alpha, a.threshold), v[3],
        v[Activation::readsOutput(Kind) ? 1 : 0], v[2]);
}

}  // namespace

void activation(const Call& call) {
  const auto& a = *static_cast<const Activation::Attributes*>(call.attributes);
  switch (a.kind) {
    case Activation::LeakyRelu:
      return run<Activation::LeakyRelu>(call, a);
    case Activation::Elu:
      return run<Activation::Elu>(call, a);
    case Activation::Sigmoid:
      return run<Activation::Sigmoid>(call, a);
    case Activation::Tanh:
      return run<Activation::Tanh>(call, a);
    case Activation::Softplus:
      return run<Activation::Softplus>(call, a);
    case Activation::Silu:
      return run<Activation::Silu>(call, a);
    case Activation::Gelu:
      return run<Activation::Gelu>(call, a);
    case Activation::GeluTanh:
      return run<Activation::GeluTanh>(call, a);
    case Activation::HardSwish:
      return run<Activation::HardSwish>(call, a);
    case Activation::HardSigmoid:
      return run<Activation::HardSigmoid>(call, a);
    case Activation::Relu6:
      return run<Activation::Relu6>(call, a);
  }
}

}  // namespace striate::cuda
