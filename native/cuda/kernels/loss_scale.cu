// The loss scale; see ops/loss_scale.h. Must move: x and y once each.
// Moves that, and the control block's scale once a thread, from the cache.
#include "ops/loss_scale.h"

#include "cuda/elementwise.h"

namespace striate::cuda {

namespace {

struct Scale {
  const Control* control;
  float factor = 0;
  explicit Scale(const Control* c) : control(c) {}
  __device__ void begin() { factor = static_cast<float>(load(&control->lossScale)); }
  STRIATE_HD float operator()(float x) const { return x * factor; }
  STRIATE_HD float operator()() const { return factor; }
};

}  // namespace

void loss_scale(const Call& call) {
  const View* v = call.views;
  const Scale scale(call.context.control);
  if (v[0])
    map("scaleByLossScale", call.context.stream, scale, v[1], v[0]);
  else
    map("scaleByLossScale", call.context.stream, scale, v[1]);
}

}  // namespace striate::cuda
