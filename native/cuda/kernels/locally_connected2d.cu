// Locally connected layers and their gradients; see ops/locally_connected2d.h.
// Must move: the weights (or their gradient) once, by far the most, and x and y once. A thread holds
// kImages images, and neighbouring threads those of one position: from the device's memory the weights
// come once, from the caches once for every kImages images. Each sum runs in one thread, in one order; no
// atomics.
#include "ops/locally_connected2d.h"

#include "cuda/storage.h"
#include "cuda/windows.h"

namespace striate::cuda {

using ops::LocallyConnected2d;

namespace {

constexpr int kImages = 4;

struct Sizes {
  Windows rows, columns;
  std::int32_t images, channels, filters;
  std::int32_t width, outWidth;
  std::int64_t filterPitch;  // of w or dw, from row to row
  std::int64_t biasPitch;    // of b or db, from position to position

  // Row (r, s, c) of the filters of position (p, q), in elements.
  __device__ __forceinline__ std::int64_t row(std::int32_t p, std::int32_t q, std::int32_t r,
                                              std::int32_t s, std::int32_t c) const {
    const std::int64_t tap = ((std::int64_t(p) * outWidth + q) * rows.size + r) * columns.size + s;
    return (tap * channels + c) * filterPitch;
  }
  // The last image stands for those beyond it.
  __device__ __forceinline__ std::uint32_t image(std::int32_t n) const {
    return static_cast<std::uint32_t>(n < images ? n : images - 1);
  }
};

// A thread's place: one of `inner` items of place `outer`.
struct Items {
  std::uint32_t first, outer, inner;  // of this launch; `outer` places from `first` on

  __device__ __forceinline__ bool exists() const {
    return blockIdx.x * kThreads + threadIdx.x < outer * inner;
  }
  __device__ __forceinline__ std::uint32_t place() const {
    return first + (blockIdx.x * kThreads + threadIdx.x) / inner;
  }
  __device__ __forceinline__ std::uint32_t item() const {
    return (blockIdx.x * kThreads + threadIdx.x) % inner;
  }
};

template <int Width>
__device__ __forceinline__ void addProducts(Packet<float, Width>& sum, float left,
                                            const Packet<float, Width>& right) {
#pragma unroll
  for (int e = 0; e < Width; ++e) sum.values[e] += left * right.values[e];
}

template <int Width, class T>
__device__ __forceinline__ void put(T* to, Packet<float, Width> value, bool add) {
  if (add) {
    const Packet<float, Width> old = loadFloats<Width>(static_cast<const T*>(to));
#pragma unroll
    for (int e = 0; e < Width; ++e) value.values[e] += old.values[e];
  }
  storeFloats(to, value);
}

// One thread: kImages images, one position, one packet of filters; x in packets of Step channels.
template <int Width, int Step, class S>
__global__ void __launch_bounds__(kThreads, kFewBlocks)
    localKernel(Items items, Sizes z, Volume<const S> x, const S* w, const float* b, Volume<S> y,
                bool add) {
  if (!items.exists()) return;
  const std::uint32_t position = items.place(), packets = z.filters / Width;
  const std::int32_t p = position / z.outWidth, q = position % z.outWidth;
  const std::int32_t n = items.item() / packets * kImages, k = items.item() % packets * Width;
  Packet<float, Width> sum[kImages] = {};
  const std::int32_t lastRow = z.rows.last(p), lastColumn = z.columns.last(q);
#pragma unroll 1
  for (std::int32_t h = z.rows.first(p); h < lastRow; ++h)
#pragma unroll 1
    for (std::int32_t v = z.columns.first(q); v < lastColumn; ++v) {
      const S* row = w + z.row(p, q, h - z.rows.start(p), v - z.columns.start(q), 0) + k;
#pragma unroll 1
      for (std::int32_t c = 0; c < z.channels; c += Step) {
        Packet<float, Step> left[kImages];
#pragma unroll
        for (int j = 0; j < kImages; ++j) left[j] = loadFloats<Step>(x.at(z.image(n + j), h, v, c));
#pragma unroll
        for (int s = 0; s < Step; ++s, row += z.filterPitch) {
          const Packet<float, Width> right = loadFloats<Width>(row);
#pragma unroll
          for (int j = 0; j < kImages; ++j) addProducts(sum[j], left[j].values[s], right);
        }
      }
    }
  Packet<float, Width> bias = {};
  if (b != nullptr) bias = loadPacket<Width>(b + position * z.biasPitch + k);
#pragma unroll
  for (int j = 0; j < kImages; ++j) {
    if (n + j >= z.images) break;
    addProducts(sum[j], 1.0f, bias);
    put(y.at(n + j, p, q, k), sum[j], add);
  }
}

// One thread: kImages images, one pixel and one channel of dx; dy and w in packets of filters.
template <int Width, class S>
__global__ void __launch_bounds__(kThreads, kFewBlocks)
    localDataKernel(Items items, Sizes z, Volume<const S> dy, const S* w, Volume<S> dx, bool add) {
  if (!items.exists()) return;
  const std::int32_t h = items.place() / z.width, v = items.place() % z.width;
  const std::int32_t n = items.item() / z.channels * kImages, c = items.item() % z.channels;
  Packet<float, Width> sum[kImages] = {};
  const std::int32_t lastP = z.rows.lastOutput(h), lastQ = z.columns.lastOutput(v);
#pragma unroll 1
  for (std::int32_t p = z.rows.firstOutput(h); p < lastP; ++p)
#pragma unroll 1
    for (std::int32_t q = z.columns.firstOutput(v); q < lastQ; ++q) {
      const S* const row = w + z.row(p, q, h - z.rows.start(p), v - z.columns.start(q), c);
#pragma unroll 1
      for (std::int32_t k = 0; k < z.filters; k += Width) {
        const Packet<float, Width> right = loadFloats<Width>(row + k);
#pragma unroll
        for (int j = 0; j < kImages; ++j) {
          const Packet<float, Width> left = loadFloats<Width>(dy.at(z.image(n + j), p, q, k));
#pragma unroll
          for (int e = 0; e < Width; ++e) sum[j].values[e] += left.values[e] * right.values[e];
        }
      }
    }
#pragma unroll
  for (int j = 0; j < kImages; ++j) {
    if (n + j >= z.images) break;
    Packet<float, 1> total = {};
#pragma unroll
    for (int e = 0; e < Width; ++e) total.values[0] += sum[j].values[e];
    put(dx.at(n + j, h, v, c), total, add);
  }
}

// One thread: one position and tap, Step channels, one packet of filters, all images in order.
template <int Width, int Step, class S>
__global__ void __launch_bounds__(kThreads, kFewBlocks)
    localFilterKernel(Items items, Sizes z, Volume<const S> x, Volume<const S> dy, float* dw,
                      bool add) {
  if (!items.exists()) return;
  const std::uint32_t packets = z.filters / Width, steps = z.channels / Step;
  const std::int32_t p = items.place() / z.outWidth, q = items.place() % z.outWidth;
  const std::int32_t k = items.item() % packets * Width, c = items.item() / packets % steps * Step,
                     tap = items.item() / packets / steps;
  const std::int32_t r = tap / z.columns.size, s = tap % z.columns.size;
  const std::int32_t h = z.rows.start(p) + r, v = z.columns.start(q) + s;
  Packet<float, Width> sum[Step] = {};
  if (h >= 0 && h < z.rows.extent && v >= 0 && v < z.columns.extent)
#pragma unroll 2
    for (std::int32_t n = 0; n < z.images; ++n) {
      const Packet<float, Step> left = loadFloats<Step>(x.at(n, h, v, c));
      const Packet<float, Width> right = loadFloats<Width>(dy.at(n, p, q, k));
#pragma unroll
      for (int j = 0; j < Step; ++j) addProducts(sum[j], left.values[j], right);
    }
#pragma unroll
  for (int j = 0; j < Step; ++j) put(dw + z.row(p, q, r, s, c + j) + k, sum[j], add);
}

// One thread: one position, one packet of filters, all images in order.
template <int Width, class S>
__global__ void __launch_bounds__(kThreads, kBlocks)
    localBiasKernel(Items items, Sizes z, Volume<const S> dy, float* db, bool add) {
  if (!items.exists()) return;
  const std::int32_t p = items.place() / z.outWidth, q = items.place() % z.outWidth;
  const std::int32_t k = items.item() * Width;
  Packet<float, Width> sum = {};
#pragma unroll 4
  for (std::int32_t n = 0; n < z.images; ++n)
    addProducts(sum, 1.0f, loadFloats<Width>(dy.at(n, p, q, k)));
  put(db + items.place() * z.biasPitch + k, sum, add);
}

Sizes sizesOf(const LocallyConnected2d::Attributes& a, const LocallyConnected2d::Roles& v) {
  const auto narrow = [](std::int64_t n) { return static_cast<std::int32_t>(n); };
  return {windows(ops::windowRows(a, v.x, v.y)),
          windows(ops::windowColumns(a, v.x, v.y)),
          narrow(v.x.size[0]),
          narrow(v.x.size[3]),
          narrow(v.y.size[3]),
          narrow(v.x.size[2]),
          narrow(v.y.size[2]),
          v.w.pitch,
          v.b.pitch};
}

// Launches of at most kMostItems threads over `outer` places with `inner` items each.
template <class... Parameters, class... Arguments>
void launchPlaces(const char* name, void (*kernel)(Items, Parameters...), std::int64_t outer,
                  std::int64_t inner, cudaStream_t stream, const Arguments&... arguments) {
  if (inner > kMostItems || outer > kMostItems)
    throw Failure{cudaErrorInvalidValue, name, "a position has more than 2^30 items"};
  const std::int64_t most = kMostItems / inner;
  for (std::int64_t first = 0; first < outer; first += most) {
    const std::int64_t count = std::min(most, outer - first);
    launchItems(name, kernel, count * inner, stream,
                Items{static_cast<std::uint32_t>(first), static_cast<std::uint32_t>(count),
                      static_cast<std::uint32_t>(inner)},
                arguments...);
  }
}

// Calls f(Int<4>()) or f(Int<1>()): channels that are read at once.
template <class F>
void forStep(int width, const F& f) {
  if (width % 4 == 0) return f(Int<4>());
  f(Int<1>());
}

template <class S>
void forward(const LocallyConnected2d::Attributes& a, const Call& call) {
  const auto v = LocallyConnected2d::roles(LocallyConnected2d::Forward, call.views);
  const std::int64_t K = v.y.size[3], positions = v.y.size[1] * v.y.size[2];
  const int width =
      std::min({4, packetWidth(v.y, K), packetWidth(v.w, K), v.b ? packetWidth(v.b, K) : 4});
  forWidth<4>(width, [&](auto w) {
    forStep(packetWidth(v.x, v.x.size[3]), [&](auto step) {
      constexpr int kWidth = decltype(w)::value;
      launchPlaces("locallyConnected2d", localKernel<kWidth, decltype(step)::value, S>, positions,
                   ceilDivide(v.x.size[0], kImages) * (K / kWidth), call.context.stream,
                   sizesOf(a, v), volume<const S>(v.x), v.w.as<const S>(),
                   v.b ? v.b.as<const float>() : nullptr, volume<S>(v.y), v.y.accumulates());
    });
  });
}

template <class S>
void backwardData(const LocallyConnected2d::Attributes& a, const Call& call) {
  const auto v = LocallyConnected2d::roles(LocallyConnected2d::BackwardData, call.views);
  const std::int64_t K = v.y.size[3], C = v.x.size[3];
  forWidth<kMostWidth<S>>(std::min(packetWidth(v.y, K), packetWidth(v.w, K)), [&](auto w) {
    launchPlaces("locallyConnected2dBackwardData", localDataKernel<decltype(w)::value, S>,
                 v.x.size[1] * v.x.size[2], ceilDivide(v.x.size[0], kImages) * C,
                 call.context.stream, sizesOf(a, v), volume<const S>(v.y), v.w.as<const S>(),
                 volume<S>(v.x), v.x.accumulates());
  });
}

template <class S>
void backwardFilter(const LocallyConnected2d::Attributes& a, const Call& call) {
  const auto v = LocallyConnected2d::roles(LocallyConnected2d::BackwardFilter, call.views);
  const std::int64_t K = v.y.size[3], C = v.x.size[3], positions = v.y.size[1] * v.y.size[2];
  const Sizes sizes = sizesOf(a, v);
  const int width = std::min(4, packetWidth(v.y, K));
  if (v.w)
    forWidth<4>(std::min(width, packetWidth(v.w, K)), [&](auto w) {
      forStep(packetWidth(v.x, C), [&](auto step) {
        constexpr int kWidth = decltype(w)::value, kStep = decltype(step)::value;
        launchPlaces("locallyConnected2dBackwardFilter", localFilterKernel<kWidth, kStep, S>,
                     positions, std::int64_t(a.sizeH) * a.sizeW * (C / kStep) * (K / kWidth),
                     call.context.stream, sizes, volume<const S>(v.x), volume<const S>(v.y),
                     v.w.as<float>(), v.w.accumulates());
      });
    });
  if (v.b)
    forWidth<4>(std::min(width, packetWidth(v.b, K)), [&](auto w) {
      constexpr int kWidth = decltype(w)::value;
      launchPlaces("locallyConnected2dBackwardFilter bias", localBiasKernel<kWidth, S>, positions,
                   K / kWidth, call.context.stream, sizes, volume<const S>(v.y), v.b.as<float>(),
                   v.b.accumulates());
    });
}

}  // namespace

void locally_connected2d(const Call& call) {
  const auto& a = *static_cast<const LocallyConnected2d::Attributes*>(call.attributes);
  forStorage(call.views[0].dtype, [&](auto type) {
    using S = decltype(type);
    if (call.op == LocallyConnected2d::Forward)
      forward<S>(a, call);
    else if (call.op == LocallyConnected2d::BackwardData)
      backwardData<S>(a, call);
    else
      backwardFilter<S>(a, call);
  });
}

}  // namespace striate::cuda
