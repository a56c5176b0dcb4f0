// The loss scale; see ops/loss_scale.h. Must move: x and y once each; the gradients twice, in and out.
// Moves that, and the control block's scale once a thread, from the cache.
#include "ops/loss_scale.h"

#include "cuda/elementwise.h"

namespace striate::cuda {

using ops::LossScale;

namespace {

constexpr int kWidth = 4;

struct Scale {
  const Control* control;
  float factor = 0;
  explicit Scale(const Control* c) : control(c) {}
  __device__ void begin() { factor = static_cast<float>(load(&control->lossScale)); }
  STRIATE_HD float operator()(float x) const { return x * factor; }
  STRIATE_HD float operator()() const { return factor; }
};

__global__ void __launch_bounds__(kThreads)
    unscaleKernel(float* gradients, std::uint32_t elements, bool packets, Control* control) {
  const std::uint32_t first = (blockIdx.x * kThreads + threadIdx.x) * kWidth;
  if (first >= elements) return;
  Control scaled;
  scaled.lossScale = load(static_cast<const double*>(&control->lossScale));
  const float factor = LossScale::inverse<float>(scaled);
  float residue = 0;
  if (packets && first + kWidth <= elements) {
    Packet<float, kWidth> g = loadPacket<kWidth>(static_cast<const float*>(gradients + first));
#pragma unroll
    for (int e = 0; e < kWidth; ++e) {
      g.values[e] *= factor;
      residue += LossScale::residue(g.values[e]);
    }
    storePacket(gradients + first, g);
  } else {
    for (std::uint32_t e = first; e < first + kWidth && e < elements; ++e) {
      const float value = load(static_cast<const float*>(gradients + e)) * factor;
      residue += LossScale::residue(value);
      store(gradients + e, value);
    }
  }
  if (!(residue == 0)) atomicAnd(&control->commit, 0);
}

void unscale(const View& gradients, const Call& call) {
  float* const data = gradients.as<float>();
  const bool packets = reinterpret_cast<std::uintptr_t>(data) % 16 == 0;
  for (std::int64_t at = 0; at < gradients.elements(); at += kMostItems) {
    const std::int64_t elements = std::min(kMostItems, gradients.elements() - at);
    launchItems("unscaleGradients", unscaleKernel, ceilDivide(elements, kWidth),
                call.context.stream, data + at, static_cast<std::uint32_t>(elements), packets,
                call.context.control);
  }
}

}  // namespace

void loss_scale(const Call& call) {
  const View* v = call.views;
  if (call.op == LossScale::Unscale) return unscale(v[0], call);
  const Scale scale(call.context.control);
  if (v[0])
    map("scaleByLossScale", call.context.stream, scale, v[1], v[0]);
  else
    map("scaleByLossScale", call.context.stream, scale, v[1]);
}

}  // namespace striate::cuda
