// Parametric rectifier and its gradients; see ops/prelu.h and cuda/by_channel.h. Must move: x and y once
// (x and dy twice and dx once where both gradients are asked for); moves that, and a double a channel and
// part.
#include "ops/prelu.h"

#include "cuda/block_sum.h"
#include "cuda/by_channel.h"

namespace striate::cuda {

using ops::Prelu;

namespace {

struct Value {
  STRIATE_HD float operator()(float x, float w, float) const { return Prelu::value(x, w); }
};
struct Gradient {
  STRIATE_HD float operator()(float x, float w, float dy) const {
    return Prelu::gradient(x, w, dy);
  }
};

struct SlopeShare {
  double* parts;
  std::int32_t channels;
  STRIATE_HD float operator()(float x, float dy) const { return Prelu::share(x, dy); }
  __device__ void put(std::int64_t part, int channel, double sum) const {
    store(parts + part * channels + channel, sum);
  }
};

// dw of each channel: the parts in their order.
__global__ void __launch_bounds__(kThreads)
    slopeTotalsKernel(const double* sums, std::int32_t channels, int parts, float* dw, bool add) {
  const int c = static_cast<int>(blockIdx.x * kThreads + threadIdx.x);
  if (c >= channels) return;
  double total = 0;
  for (int part = 0; part < parts; ++part) total += load(sums + std::int64_t(part) * channels + c);
  store(dw + c, static_cast<float>(total) + (add ? load(static_cast<const float*>(dw) + c) : 0.0f));
}

// dw of all channels together; one block.
__global__ void __launch_bounds__(kThreads)
    slopeTotalKernel(const double* sums, std::int64_t count, float* dw, bool add) {
  STRIATE_SHARED(double, scratch, kThreads / 32);
  double sum = 0;
  for (std::int64_t i = threadIdx.x; i < count; i += kThreads) sum += load(sums + i);
  sum = blockSum<kThreads>(sum, scratch);
  if (threadIdx.x == 0)
    store(dw, static_cast<float>(sum) + (add ? load(static_cast<const float*>(dw)) : 0.0f));
}

template <class S>
void slopeGradient(const View& x, const View& dy, const View& dw, double* sums,
                   cudaStream_t stream) {
  const auto channels = static_cast<std::int32_t>(x.channels());
  const auto parts = static_cast<int>(std::min(Prelu::kParts, x.pixels()));
  sumByChannel<S>("preluSums", stream, SlopeShare{sums, channels}, x, dy, parts);
  if (dw.size[0] == 1)
    launchItems("preluTotal", slopeTotalKernel, kThreads, stream, static_cast<const double*>(sums),
                std::int64_t(parts) * channels, dw.as<float>(), dw.accumulates());
  else
    launchItems("preluTotals", slopeTotalsKernel, channels, stream,
                static_cast<const double*>(sums), channels, parts, dw.as<float>(),
                dw.accumulates());
}

}  // namespace

void prelu(const Call& call) {
  const View* v = call.views;
  const View &x = v[0], &w = v[1];
  const cudaStream_t stream = call.context.stream;
  const Factors<float> slopes{rowsOf<const float>(w), 0, w.size[0] == 1 ? 0 : 1};
  forStorage(x.dtype, [&](auto type) {
    using S = decltype(type);
    if (call.op == Prelu::Forward)
      return mapByChannel<S>("prelu", stream, Value(), x, nullptr, v[2], slopes, w);
    const View &dy = v[2], &dx = v[3], &dw = v[4];
    // The sum goes first: dx may lie over dy.
    if (dw) slopeGradient<S>(x, dy, dw, v[5].as<double>(), stream);
    if (dx) mapByChannel<S>("preluBackward", stream, Gradient(), x, &dy, dx, slopes, w);
  });
}

}  // namespace striate::cuda
