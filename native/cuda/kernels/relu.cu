// relu and its gradient; see ops/relu.h. Must move: x and y (y, dy and dx) once each; moves that.
#include "ops/relu.h"

#include "cuda/elementwise.h"

namespace striate::cuda {

using ops::Relu;

namespace {

struct Rectify : Stateless {
  template <class T>
  STRIATE_HD T operator()(T x) const {
    return Relu::value(x);
  }
};
struct RectifyGradient : Stateless {
  template <class T>
  STRIATE_HD T operator()(T y, T dy) const {
    return Relu::slope(y) > T(0) ? dy : T(0);
  }
};

}  // namespace

void relu(const Call& call) {
  const View* v = call.views;
  const cudaStream_t stream = call.context.stream;
  if (call.op == Relu::Forward)
    map("relu", stream, Rectify(), v[1], v[0]);
  else
    map("reluBackward", stream, RectifyGradient(), v[2], v[0], v[1]);
}

}  // namespace striate::cuda
