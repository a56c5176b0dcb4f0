// Losses element by element and their gradient; see ops/element_loss.h.
// Must move: x and target once each (and dx once); moves that, and a double for each 2,048 elements. Each
// warp adds up one part of a row, in packets of 16 bytes where rows are aligned; one block then adds up
// the parts of each row in their order, and the rows.
#include "ops/element_loss.h"

#include "cuda/block_sum.h"
#include "cuda/elementwise.h"

namespace striate::cuda {

using ops::ElementLoss;

namespace {

constexpr int kWarp = 32;

template <int Kind>
__device__ __forceinline__ float lossOf(float x, float t, float delta) {
  if constexpr (Kind != ElementLoss::Sigmoid)
    return ElementLoss::loss<Kind>(x, t, delta);
  else
    return fabsf(x) * (x > 0.0f ? 1.0f - t : t) + log1pf(expf(-fabsf(x)));
}

struct Samples {
  const float *x, *target;
  std::int64_t xPitch, targetPitch;
  std::uint32_t rows, elements, parts;
};

template <int Kind, int Width>
__global__ void __launch_bounds__(kThreads) partLossKernel(Samples s, float delta, double* sums) {
  const std::uint32_t part = (blockIdx.x * kThreads + threadIdx.x) / kWarp,
                      lane = threadIdx.x % kWarp;
  const std::uint32_t row = part / s.parts, from = (part - row * s.parts) * ElementLoss::kPart;
  if (row >= s.rows) return;
  const float* const x = s.x + row * s.xPitch;
  const float* const target = s.target + row * s.targetPitch;
  const std::uint32_t rest = s.elements - from,
                      end = from + (rest < ElementLoss::kPart ? rest : ElementLoss::kPart);
  double sum = 0;
  for (std::uint32_t i = from + lane * Width; i < end; i += kWarp * Width) {
    const Packet<float, Width> a = loadPacket<Width>(x + i), b = loadPacket<Width>(target + i);
#pragma unroll
    for (int e = 0; e < Width; ++e)
      sum += static_cast<double>(lossOf<Kind>(a.values[e], b.values[e], delta));
  }
  sum = warpSum(sum);
  if (lane == 0) store(sums + part, sum);
}

__global__ void __launch_bounds__(kThreads)
    sampleLossKernel(const double* sums, Samples s, float* losses, float* statistics) {
  STRIATE_SHARED(double, scratch, kThreads / kWarp);
  double total = 0;
  for (std::uint32_t row = threadIdx.x; row < s.rows; row += kThreads) {
    double sum = 0;
    for (std::uint32_t part = 0; part < s.parts; ++part) sum += load(sums + row * s.parts + part);
    sum /= s.elements;
    store(losses + row, static_cast<float>(sum));
    total += sum;
  }
  total = blockSum<kThreads>(total, scratch);
  if (threadIdx.x != 0) return;
  store(statistics, static_cast<float>(total));
  store(statistics + 1, static_cast<float>(s.rows));
  store(statistics + 2, 0.0f);
  store(statistics + 3, 0.0f);
}

template <int Kind>
struct Slope {
  const float* statistics;
  const Control* control;
  float delta, elements, scale;

  __device__ void begin() {
    scale = static_cast<float>(load(&control->lossScale) /
                               (static_cast<double>(load(statistics + 1)) * elements));
  }
  __device__ float operator()(float x, float t) const {
    if constexpr (Kind != ElementLoss::Sigmoid) {
      return ElementLoss::slope<Kind>(x, t, delta) * scale;
    } else {
      const float e = expf(-fabsf(x));  // never overflows
      return ((x < 0.0f ? e : 1.0f) / (1.0f + e) - t) * scale;
    }
  }
};

template <int Kind>
void run(const Call& call, float delta) {
  const View *v = call.views, &x = v[0], &target = v[1];
  const cudaStream_t stream = call.context.stream;
  if (call.op == ElementLoss::Backward)
    return map("elementLossBackward", stream,
               Slope<Kind>{v[2].as<const float>(), call.context.control, delta,
                           static_cast<float>(x.size[1]), 0.0f},
               v[3], x, target);
  const std::int64_t parts = ElementLoss::parts(x.size[1]);
  const Samples s{x.as<const float>(),
                  target.as<const float>(),
                  x.pitch,
                  target.pitch,
                  static_cast<std::uint32_t>(x.size[0]),
                  static_cast<std::uint32_t>(x.size[1]),
                  static_cast<std::uint32_t>(parts)};
  double* const sums = v[4].as<double>();
  const int width = std::min(packetWidth(x, x.size[1]), packetWidth(target, x.size[1]));
  forWidth<4>(width, [&](auto w) {
    launchItems("elementLoss", partLossKernel<Kind, decltype(w)::value>, x.size[0] * parts * kWarp,
                stream, s, delta, sums);
  });
  launchItems("sampleLoss", sampleLossKernel, kThreads, stream, static_cast<const double*>(sums), s,
              v[2].as<float>(), v[3].as<float>());
}

}  // namespace

void element_loss(const Call& call) {
  const auto& a = *static_cast<const ElementLoss::Attributes*>(call.attributes);
  switch (a.kind) {
    case ElementLoss::Squared:
      return run<ElementLoss::Squared>(call, a.delta);
    case ElementLoss::Absolute:
      return run<ElementLoss::Absolute>(call, a.delta);
    case ElementLoss::Huber:
      return run<ElementLoss::Huber>(call, a.delta);
    case ElementLoss::Sigmoid:
      return run<ElementLoss::Sigmoid>(call, a.delta);
  }
}

}  // namespace striate::cuda
