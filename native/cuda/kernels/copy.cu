// copy and fill; see ops/copy.h. Must move: x and y once each (fill: y); moves that.
#include "ops/copy.h"

#include "cuda/elementwise.h"

namespace striate::cuda {

namespace {

struct Scale : Stateless {
  float alpha, beta;
  __host__ __device__ Scale(float a, float b) : alpha(a), beta(b) {}
  STRIATE_HD float operator()(float x) const { return ops::Copy::value(x, alpha, beta); }
};
struct Constant : Stateless {
  float value;
  __host__ __device__ explicit Constant(float v) : value(v) {}
  STRIATE_HD float operator()() const { return value; }
};

}  // namespace

void copy(const Call& call) {
  const auto& a = *static_cast<const ops::Copy::Attributes*>(call.attributes);
  const View* v = call.views;
  if (call.op == ops::Copy::Forward)
    map("copy", call.context.stream, Scale(a.alpha, a.beta), v[1], v[0]);
  else
    map("fill", call.context.stream, Constant(a.beta), v[0]);
}

}  // namespace striate::cuda
