// copy and fill; see ops/copy.h. Must move: x and y once each (fill: y); moves that. Where x and y are stored
// in different types a thread takes as many elements as make 16 bytes of the wider one.
#include "ops/copy.h"

#include "cuda/elementwise.h"

namespace striate::cuda {

namespace {

struct Scale : Stateless {
  float alpha, beta;
  __host__ __device__ Scale(float a, float b) : alpha(a), beta(b) {}
  STRIATE_HD float operator()(float x) const { return ops::Copy::value(x, alpha, beta); }
};
// Every bit, the sign of zero too.
struct Same : Stateless {
  STRIATE_HD float operator()(float x) const { return x; }
};
struct Constant : Stateless {
  float value;
  __host__ __device__ explicit Constant(float v) : value(v) {}
  STRIATE_HD float operator()() const { return value; }
};

template <class F>
void copyBy(const F& f, const View& x, const View& y, cudaStream_t stream) {
  if (x.dtype == y.dtype) return map("copy", stream, f, y, x);
  forStorage(isHalf(x.dtype) ? x.dtype : y.dtype, [&](auto type) {
    using Half = decltype(type);
    if (isHalf(x.dtype))
      mapAs<Half, float>("copy", stream, f, y, x);
    else
      mapAs<float, Half>("copy", stream, f, y, x);
  });
}

}  // namespace

void copy(const Call& call) {
  const auto& a = *static_cast<const ops::Copy::Attributes*>(call.attributes);
  const View* v = call.views;
  const cudaStream_t stream = call.context.stream;
  if (call.op == ops::Copy::Fill) return map("fill", stream, Constant(a.beta), v[0]);
  const View &x = v[0], &y = v[1];
  if (a.alpha == 1.0f && a.beta == 0.0f) return copyBy(Same(), x, y, stream);
  copyBy(Scale(a.alpha, a.beta), x, y, stream);
}

}  // namespace striate::cuda
