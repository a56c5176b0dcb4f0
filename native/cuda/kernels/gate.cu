// Gates of channels and their gradients; see ops/gate.h and cuda/by_channel.h. Must move: x and y once (x
// once, dy twice and dx once where both gradients are asked for); moves that.
#include "ops/gate.h"

#include "cuda/by_channel.h"

namespace striate::cuda {

using ops::Gate;

namespace {

struct Product {
  STRIATE_HD float operator()(float x, float factor, float) const { return x * factor; }
};

template <class S>
struct GateShare {
  Rows<S> dgate;
  bool add;
  STRIATE_HD float operator()(float x, float dy) const { return x * dy; }
  __device__ void put(std::int64_t image, int channel, double sum) const {
    S* const to = dgate.data + image * dgate.pitch + channel;
    storeFloat(to, static_cast<float>(sum) + (add ? loadFloat(static_cast<const S*>(to)) : 0.0f));
  }
};

}  // namespace

void gate(const Call& call) {
  const View* v = call.views;
  const View &x = v[0], &factors = v[1];
  const cudaStream_t stream = call.context.stream;
  forStorage(x.dtype, [&](auto type) {
    using S = decltype(type);
    const Factors<S> gates{rowsOf<const S>(factors),
                           static_cast<std::uint32_t>(x.size[1] * x.size[2]), 1};
    if (call.op == Gate::Forward)
      return mapByChannel<S>("gate", stream, Product(), x, nullptr, v[2], gates, factors);
    const View &dy = v[2], &dx = v[3], &dgate = v[4];
    // The sum goes first: dx may lie over dy.
    if (dgate)
      sumByChannel<S>("gateSums", stream, GateShare<S>{rowsOf<S>(dgate), dgate.accumulates()}, x,
                      dy, x.size[0]);
    if (dx) mapByChannel<S>("gateBackward", stream, Product(), dy, nullptr, dx, gates, factors);
  });
}

}  // namespace striate::cuda
