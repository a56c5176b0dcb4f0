// Functions of one operand and their gradients; see ops/unary.h. Must move: x and y (x, y, dy and dx)
// once each; moves that.
#include "ops/unary.h"

#include "cuda/elementwise.h"

namespace striate::cuda {

using ops::Unary;

namespace {

template <int Kind>
struct Value : Stateless {
  __device__ float operator()(float x) const {
    if constexpr (Kind == Unary::Neg) return -x;
    if constexpr (Kind == Unary::Square) return x * x;
    if constexpr (Kind == Unary::Sqrt) return sqrtf(x);
    if constexpr (Kind == Unary::Exp) return expf(x);
    if constexpr (Kind == Unary::Log) return logf(x);
    return fabsf(x);
  }
};

template <int Kind>
struct Gradient : Stateless {
  __device__ float operator()(float x, float y, float dy) const {
    return Unary::gradient<Kind>(x, y, dy);
  }
};

template <int Kind>
void run(const Call& call) {
  const View* v = call.views;
  const cudaStream_t stream = call.context.stream;
  if (call.op == Unary::Forward)
    map("unary", stream, Value<Kind>(), v[1], v[0]);
  else
    map("unaryBackward", stream, Gradient<Kind>(), v[3], v[0], v[1], v[2]);
}

}  // namespace

void unary(const Call& call) {
  switch (static_cast<const Unary::Attributes*>(call.attributes)->kind) {
    case Unary::Neg:
      return run<Unary::Neg>(call);
    case Unary::Square:
      return run<Unary::Square>(call);
    case Unary::Sqrt:
      return run<Unary::Sqrt>(call);
    case Unary::Exp:
      return run<Unary::Exp>(call);
    case Unary::Log:
      return run<Unary::Log>(call);
    case Unary::Abs:
      return run<Unary::Abs>(call);
  }
}

}  // namespace striate::cuda
