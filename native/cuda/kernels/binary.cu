// Sums, differences, products, quotients; see ops/binary.h. Must move: a, b and y once each; moves that.
#include "ops/binary.h"

#include "cuda/elementwise.h"

namespace striate::cuda {

using ops::Binary;

namespace {

template <int Kind>
struct Combine : Stateless {
  STRIATE_HD float operator()(float a, float b) const { return Binary::value<Kind>(a, b); }
};

// b is a scalar in device memory.
template <int Kind, class S>
struct CombineScalar {
  const S* scalar;
  float b;
  __host__ __device__ explicit CombineScalar(const S* p) : scalar(p), b(0) {}
  __device__ void begin() { b = loadFloat(scalar); }
  STRIATE_HD float operator()(float a) const { return Binary::value<Kind>(a, b); }
};

template <int Kind>
void run(const Call& call) {
  const View &a = call.views[0], &b = call.views[1], &y = call.views[2];
  const cudaStream_t stream = call.context.stream;
  if (b.rank > 0 || a.rank == 0) return map("binary", stream, Combine<Kind>(), y, a, b);
  forStorage(y.dtype, [&](auto type) {
    using S = decltype(type);
    mapAs<S, S>("binary", stream, CombineScalar<Kind, S>(b.as<S>()), y, a);
  });
}

}  // namespace

void binary(const Call& call) {
  switch (static_cast<const Binary::Attributes*>(call.attributes)->kind) {
    case Binary::Add:
      return run<Binary::Add>(call);
    case Binary::Sub:
      return run<Binary::Sub>(call);
    case Binary::Mul:
      return run<Binary::Mul>(call);
    case Binary::Div:
      return run<Binary::Div>(call);
  }
}

}  // namespace striate::cuda
