// Batch normalisation; see ops/batch_norm.h.
//
// Training reads x twice: once for the statistics, once to apply them. The pixels are cut into at most 32
// parts (the op's workspace); a block takes one part and up to 128 channels, its threads four channels
// each, eight pixels side by side. A part leaves (mean, M2) of its pixels, combined in a fixed order as
// Chan, Golub and LeVeque do; a last kernel joins the parts. Must move forward: x twice, y once;
// backward: x and dy twice, dx once; moves that, and two doubles a channel and part. Volumes in 16 bits travel
// in packets of four as well, 8 bytes, so that the vectors of channels keep to 16: a warp reads whole sectors.
#include "ops/batch_norm.h"

#include "cuda/elementwise.h"
#include "cuda/pixels.h"
#include "ops/normalisation.h"

namespace striate::cuda {

using ops::BatchNorm;

namespace {

constexpr int kColumns = 32;  // threads across channels
constexpr int kRows = 8;      // threads across pixels
static_assert(kColumns * kRows == kThreads);

// What the threads of a block leave for the channels of their column: element e of row r and a column lies
// at (r * Width + e) * kPitch + column. Then a thread takes a channel, in the order of memory; the pitch
// keeps both ways free of bank conflicts where the width is four.
constexpr int kPitch = kColumns + 4;
constexpr int kLeft = kRows * 4 * kPitch;  // elements

template <class S>
struct Matrix {
  const S* data;
  std::int64_t pitch;
};

template <class S>
Matrix<S> matrix(const View& v) {
  return {v.as<S>(), v.pitch};
}

struct Shape {
  std::int64_t pixels;
  std::int32_t channels;
  std::int32_t parts;
};

__device__ __forceinline__ std::int64_t partBegin(const Shape& s, int part) {
  return part * s.pixels / s.parts;
}

// The channel that a thread takes when the rows of a block are joined, and its place within a row.
struct ChannelThread {
  std::int32_t channel, place;
  bool exists;
};

template <int Width>
__device__ __forceinline__ ChannelThread channelThread(const Shape& s) {
  const std::int32_t t = static_cast<std::int32_t>(threadIdx.x);
  const std::int32_t channel = static_cast<std::int32_t>(blockIdx.y) * kColumns * Width + t;
  return {channel, t % Width * kPitch + t / Width, t < kColumns * Width && channel < s.channels};
}

// (count, mean, M2) of two sets of values.
__device__ __forceinline__ void combine(double& count, double& mean, double& m2, double otherCount,
                                        double otherMean, double otherM2) {
  if (otherCount == 0) return;
  const double total = count + otherCount, delta = otherMean - mean;
  mean += delta * (otherCount / total);
  m2 += otherM2 + delta * delta * (count * otherCount / total);
  count = total;
}

// A thread takes its values relative to the first of them, so that a mean far from zero costs no digits.
template <int Width, class S>
__global__ void __launch_bounds__(kThreads, kBlocks)
    momentsKernel(Shape s, Matrix<S> x, double* workspace) {
  STRIATE_SHARED(double, means, kLeft);
  STRIATE_SHARED(float, squares, kLeft);
  const int column = static_cast<int>(threadIdx.x) % kColumns,
            row = static_cast<int>(threadIdx.x) / kColumns;
  const int part = static_cast<int>(blockIdx.x),
            channel = (static_cast<int>(blockIdx.y) * kColumns + column) * Width;
  const std::int64_t begin = partBegin(s, part);
  const int pixels = static_cast<int>(partBegin(s, part + 1) - begin);
  Packet<float, Width> centre = {};
  float mean[Width] = {}, m2[Width] = {};
  if (channel < s.channels && row < pixels) {
    const S* at = x.data + (begin + row) * x.pitch + channel;
    centre = loadFloats<Width>(at);
    float count = 1;
    for (int p = row + kRows; p < pixels; p += kRows) {
      at += kRows * x.pitch;
      const Packet<float, Width> value = loadFloats<Width>(at);
      count += 1;
      const float weight = 1 / count;
#pragma unroll
      for (int e = 0; e < Width; ++e) {
        const float distance = value.values[e] - centre.values[e], delta = distance - mean[e];
        mean[e] += delta * weight;
        m2[e] += delta * (distance - mean[e]);
      }
    }
  }
#pragma unroll
  for (int e = 0; e < Width; ++e) {
    store(means + (row * Width + e) * kPitch + column,
          static_cast<double>(centre.values[e]) + static_cast<double>(mean[e]));
    store(squares + (row * Width + e) * kPitch + column, m2[e]);
  }
  __syncthreads();
  const ChannelThread t = channelThread<Width>(s);
  if (!t.exists) return;
  double total = 0, joinedMean = 0, joinedM2 = 0;
  for (int r = 0; r < kRows; ++r) {
    const int n = pixels > r ? (pixels - r + kRows - 1) / kRows : 0;
    combine(total, joinedMean, joinedM2, static_cast<double>(n),
            load(means + r * Width * kPitch + t.place),
            static_cast<double>(load(squares + r * Width * kPitch + t.place)));
  }
  store(workspace + (std::int64_t(part) * 2) * s.channels + t.channel, joinedMean);
  store(workspace + (std::int64_t(part) * 2 + 1) * s.channels + t.channel, joinedM2);
}

struct StatisticsArguments {
  const float *gamma, *beta;
  float *mean, *variance, *unbiased;
  float *scale, *offset;  // what the second reading multiplies by and adds
  float epsilon;
};

__global__ void __launch_bounds__(kThreads)
    statisticsKernel(Shape s, const double* workspace, StatisticsArguments a) {
  const int c = static_cast<int>(blockIdx.x * kThreads + threadIdx.x);
  if (c >= s.channels) return;
  double count = 0, joinedMean = 0, joinedM2 = 0;
  for (int part = 0; part < s.parts; ++part)
    combine(count, joinedMean, joinedM2,
            static_cast<double>(partBegin(s, part + 1) - partBegin(s, part)),
            load(workspace + std::int64_t(part) * 2 * s.channels + c),
            load(workspace + (std::int64_t(part) * 2 + 1) * s.channels + c));
  const float mean = static_cast<float>(joinedMean);
  const double biased = joinedM2 / count;
  const double factor =
      static_cast<double>(load(a.gamma + c)) / sqrt(biased + static_cast<double>(a.epsilon));
  store(a.mean + c, mean);
  store(a.variance + c, static_cast<float>(biased));
  store(a.unbiased + c, static_cast<float>(joinedM2 / (count - 1)));
  store(a.scale + c, static_cast<float>(factor));
  // What rounding took from the mean counts where the mean is large beside the deviation.
  store(a.offset + c, static_cast<float>(static_cast<double>(load(a.beta + c)) -
                                         (joinedMean - static_cast<double>(mean)) * factor));
}

// The second reading: a thread takes one packet of channels of every `pixelsAtOnce`-th pixel, so that the
// vectors of channels are read seldom.
struct Walk {
  std::int64_t first, end;  // pixels
  std::uint32_t pixelsAtOnce, packets;

  __device__ __forceinline__ std::int64_t pixel(std::uint32_t thread) const {
    return first + thread / packets;
  }
  __device__ __forceinline__ std::uint32_t packet(std::uint32_t thread) const {
    return thread % packets;
  }
  __device__ __forceinline__ bool exists(std::uint32_t thread) const {
    return thread / packets < pixelsAtOnce;
  }
};

template <class S>
struct ApplyArguments {
  Matrix<S> x;
  const float *mean, *scale, *offset;
  const float* variance;  // null where `scale` is ready; else it is gamma
  S* y;
  std::int64_t yPitch;
  float epsilon;
};

template <int Width, bool Add, class S>
__global__ void __launch_bounds__(kThreads) applyKernel(Walk walk, ApplyArguments<S> a) {
  const std::uint32_t thread = blockIdx.x * kThreads + threadIdx.x;
  if (!walk.exists(thread)) return;
  const std::uint32_t c = walk.packet(thread) * Width;
  const Packet<float, Width> mean = loadPacket<Width>(a.mean + c),
                             offset = loadPacket<Width>(a.offset + c);
  Packet<float, Width> scale = loadPacket<Width>(a.scale + c);
  if (a.variance != nullptr) {
    const Packet<float, Width> variance = loadPacket<Width>(a.variance + c);
#pragma unroll
    for (int e = 0; e < Width; ++e) scale.values[e] /= sqrtf(variance.values[e] + a.epsilon);
  }
  for (std::int64_t pixel = walk.pixel(thread); pixel < walk.end; pixel += walk.pixelsAtOnce) {
    const Packet<float, Width> x = loadFloats<Width>(a.x.data + pixel * a.x.pitch + c);
    S* const to = a.y + pixel * a.yPitch + c;
    Packet<float, Width> out;
    if constexpr (Add) out = loadFloats<Width>(static_cast<const S*>(to));
#pragma unroll
    for (int e = 0; e < Width; ++e) {
      const float value =
          ops::normalised(x.values[e], mean.values[e], scale.values[e], offset.values[e]);
      out.values[e] = Add ? out.values[e] + value : value;
    }
    storeFloats(to, out);
  }
}

// Sums of dy and of dy * (x - mean) over a part.
template <int Width, class S>
__global__ void __launch_bounds__(kThreads)
    gradientSumsKernel(Shape s, Matrix<S> x, Matrix<S> dy, const float* mean, double* workspace) {
  STRIATE_SHARED(float, sums, kLeft);
  STRIATE_SHARED(float, products, kLeft);
  const int column = static_cast<int>(threadIdx.x) % kColumns,
            row = static_cast<int>(threadIdx.x) / kColumns;
  const int part = static_cast<int>(blockIdx.x),
            channel = (static_cast<int>(blockIdx.y) * kColumns + column) * Width;
  const std::int64_t begin = partBegin(s, part);
  const int pixels = static_cast<int>(partBegin(s, part + 1) - begin);
  float sum[Width] = {}, product[Width] = {};
  if (channel < s.channels) {
    const Packet<float, Width> centre = loadPacket<Width>(mean + channel);
    const S* atX = x.data + (begin + row) * x.pitch + channel;
    const S* atDy = dy.data + (begin + row) * dy.pitch + channel;
    for (int p = row; p < pixels; p += kRows, atX += kRows * x.pitch, atDy += kRows * dy.pitch) {
      const Packet<float, Width> value = loadFloats<Width>(atX);
      const Packet<float, Width> gradient = loadFloats<Width>(atDy);
#pragma unroll
      for (int e = 0; e < Width; ++e) {
        sum[e] += gradient.values[e];
        product[e] += gradient.values[e] * (value.values[e] - centre.values[e]);
      }
    }
  }
#pragma unroll
  for (int e = 0; e < Width; ++e) {
    store(sums + (row * Width + e) * kPitch + column, sum[e]);
    store(products + (row * Width + e) * kPitch + column, product[e]);
  }
  __syncthreads();
  const ChannelThread t = channelThread<Width>(s);
  if (!t.exists) return;
  double total = 0, totalProduct = 0;
  for (int r = 0; r < kRows; ++r) {
    total += static_cast<double>(load(sums + r * Width * kPitch + t.place));
    totalProduct += static_cast<double>(load(products + r * Width * kPitch + t.place));
  }
  store(workspace + (std::int64_t(part) * 2) * s.channels + t.channel, total);
  store(workspace + (std::int64_t(part) * 2 + 1) * s.channels + t.channel, totalProduct);
}

struct GradientArguments {
  const float *gamma, *mean, *variance;
  float *dgamma, *dbeta;  // null where not asked for
  bool addGamma, addBeta, frozen;
  float epsilon;
};

// Joins the parts; what the last pass needs goes behind them: scale, offset and slope as floats.
__global__ void __launch_bounds__(kThreads)
    gradientTotalsKernel(Shape s, GradientArguments a, double* workspace, float* factors) {
  const int c = static_cast<int>(blockIdx.x * kThreads + threadIdx.x);
  if (c >= s.channels) return;
  double sum = 0, product = 0;
  for (int part = 0; part < s.parts; ++part) {
    sum += load(static_cast<const double*>(workspace) + std::int64_t(part) * 2 * s.channels + c);
    product +=
        load(static_cast<const double*>(workspace) + (std::int64_t(part) * 2 + 1) * s.channels + c);
  }
  const double inverse =
      1.0 / sqrt(static_cast<double>(load(a.variance + c)) + static_cast<double>(a.epsilon));
  const double dgamma = product * inverse;
  if (a.dgamma != nullptr)
    store(a.dgamma + c, static_cast<float>(dgamma) +
                            (a.addGamma ? load(static_cast<const float*>(a.dgamma) + c) : 0.0f));
  if (a.dbeta != nullptr)
    store(a.dbeta + c, static_cast<float>(sum) +
                           (a.addBeta ? load(static_cast<const float*>(a.dbeta) + c) : 0.0f));
  store(factors + c, static_cast<float>(static_cast<double>(load(a.gamma + c)) * inverse));
  // Frozen statistics do not move with x.
  const double factor =
      a.frozen ? 0
               : static_cast<double>(load(a.gamma + c)) * inverse / static_cast<double>(s.pixels);
  store(factors + s.channels + c, static_cast<float>(sum * factor));
  store(factors + 2 * s.channels + c, static_cast<float>(dgamma * inverse * factor));
}

template <class S>
struct ApplyGradientArguments {
  Matrix<S> x, dy;
  const float *mean, *scale, *offset, *slope;
  S* dx;
  std::int64_t dxPitch;
};

template <int Width, bool Add, class S>
__global__ void __launch_bounds__(kThreads)
    applyGradientKernel(Walk walk, ApplyGradientArguments<S> a) {
  const std::uint32_t thread = blockIdx.x * kThreads + threadIdx.x;
  if (!walk.exists(thread)) return;
  const std::uint32_t c = walk.packet(thread) * Width;
  const Packet<float, Width> mean = loadPacket<Width>(a.mean + c),
                             scale = loadPacket<Width>(a.scale + c),
                             offset = loadPacket<Width>(a.offset + c),
                             slope = loadPacket<Width>(a.slope + c);
  for (std::int64_t pixel = walk.pixel(thread); pixel < walk.end; pixel += walk.pixelsAtOnce) {
    const Packet<float, Width> x = loadFloats<Width>(a.x.data + pixel * a.x.pitch + c);
    const Packet<float, Width> dy = loadFloats<Width>(a.dy.data + pixel * a.dy.pitch + c);
    S* const to = a.dx + pixel * a.dxPitch + c;
    Packet<float, Width> out;
    if constexpr (Add) out = loadFloats<Width>(static_cast<const S*>(to));
#pragma unroll
    for (int e = 0; e < Width; ++e) {
      const float value =
          ops::normalisedGradient(x.values[e], dy.values[e], mean.values[e], scale.values[e],
                                  offset.values[e], slope.values[e]);
      out.values[e] = Add ? out.values[e] + value : value;
    }
    storeFloats(to, out);
  }
}

__global__ void __launch_bounds__(kThreads)
    updateKernel(std::int32_t channels, float momentum, const float* mean, const float* unbiased,
                 float* runningMean, float* runningVariance, const Control* control) {
  const int c = static_cast<int>(blockIdx.x * kThreads + threadIdx.x);
  if (c >= channels || load(&control->commit) == 0) return;
  store(runningMean + c, BatchNorm::moved(load(static_cast<const float*>(runningMean) + c),
                                          load(mean + c), momentum));
  store(runningVariance + c, BatchNorm::moved(load(static_cast<const float*>(runningVariance) + c),
                                              load(unbiased + c), momentum));
}

// A part has at least two pixels a row of its block: fewer would not pay for the vectors and sums of a part.
Shape shapeOf(const View& x) {
  const std::int64_t pixels = x.pixels(), worthwhile = ceilDivide(pixels, 2 * kRows);
  return {pixels, static_cast<std::int32_t>(x.channels()),
          static_cast<std::int32_t>(std::min<std::int64_t>(BatchNorm::kParts, worthwhile))};
}

// Widest packet that all views and the vectors of channels allow.
template <class... Views>
int commonWidth(std::int64_t channels, const Views&... views) {
  return std::min({4, packetWidth(views, channels)...});
}

template <class... Parameters, class... Arguments>
void launchParts(const char* name, void (*kernel)(Parameters...), const Shape& s, int width,
                 cudaStream_t stream, Arguments&&... arguments) {
  const auto columns = static_cast<unsigned>(ceilDivide(s.channels, kColumns * width));
  const Geometry g{dim3(static_cast<unsigned>(s.parts), columns), dim3(kThreads), 0};
  check(launch<kThreads>(name, kernel, g, stream, std::forward<Arguments>(arguments)...),
        std::string("launch of ") + name);
}

// Behind the parts: what the second reading takes by channel.
float* factorsOf(double* workspace, const Shape& s) {
  return reinterpret_cast<float*>(workspace + 2 * BatchNorm::kParts * std::int64_t(s.channels));
}

// The widest packet in which vectors of channels at `factors` and behind it can be read.
int factorsWidth(const float* factors, const Shape& s) {
  return s.channels % 4 == 0 && reinterpret_cast<std::uintptr_t>(factors) % 16 == 0 ? 4 : 1;
}

// Calls body(walk, threads) for pieces of pixels whose packets are numbered with 32 bits. A block covers up
// to 1024 channels; it takes as many pixels of them as keep the `vectors` of floats read within 8% of the
// `streams` of S.
template <class S, class Body>
void forEachWalk(const Shape& s, int width, int vectors, int streams, const Body& body) {
  const std::int64_t packets = s.channels / width,
                     most = std::max<std::int64_t>(1, kMostItems / packets);
  const std::int64_t vectorBytes = vectors * std::min(s.channels, kThreads * width) * 4,
                     streamBytes = std::int64_t{streams} * kThreads * width * sizeof(S),
                     repeats = ceilDivide(vectorBytes * 100, streamBytes * 8);
  for (std::int64_t first = 0; first < s.pixels; first += most * repeats) {
    const std::int64_t pixels = std::min(most * repeats, s.pixels - first),
                       atOnce = ceilDivide(pixels, repeats);
    body(Walk{first, first + pixels, static_cast<std::uint32_t>(atOnce),
              static_cast<std::uint32_t>(packets)},
         atOnce * packets);
  }
}

// `a` holds the vectors by channel; `width` is theirs, at most.
template <class S>
void apply(ApplyArguments<S> a, const View& x, const View& y, int width, cudaStream_t stream) {
  const Shape s = shapeOf(x);
  a.x = matrix<S>(x);
  a.y = y.as<S>();
  a.yPitch = y.pitch;
  forWidth<4>(std::min(width, commonWidth(s.channels, x, y)), [&](auto w) {
    constexpr int kWidth = decltype(w)::value;
    forEachWalk<S>(
        s, kWidth, a.variance == nullptr ? 3 : 4, 2, [&](const Walk& walk, std::int64_t threads) {
          launchItems(
              "batchNormApply",
              y.accumulates() ? applyKernel<kWidth, true, S> : applyKernel<kWidth, false, S>,
              threads, stream, walk, a);
        });
  });
}

template <class S>
void forward(const Call& call, const BatchNorm::Attributes& a) {
  const View* v = call.views;
  const View &x = v[0], &y = v[3], &mean = v[4];
  const cudaStream_t stream = call.context.stream;
  const Shape s = shapeOf(x);
  double* const workspace = v[9].as<double>();
  float* const scale = v[7] ? v[7].as<float>() : factorsOf(workspace, s);
  float* const offset = v[8] ? v[8].as<float>() : scale + s.channels;
  forWidth<4>(commonWidth(s.channels, x), [&](auto w) {
    constexpr int kWidth = decltype(w)::value;
    launchParts("batchNormMoments", momentsKernel<kWidth, S>, s, kWidth, stream, s, matrix<S>(x),
                workspace);
  });
  const StatisticsArguments statistics{v[1].as<float>(), v[2].as<float>(), mean.as<float>(),
                                       v[5].as<float>(), v[6].as<float>(), scale,
                                       offset,           a.epsilon};
  launchItems("batchNormStatistics", statisticsKernel, s.channels, stream, s,
              static_cast<const double*>(workspace), statistics);
  ApplyArguments<S> b{};
  b.mean = mean.as<float>();
  b.scale = scale;
  b.offset = offset;
  const int width = std::min(factorsWidth(scale, s), factorsWidth(offset, s));
  apply(b, x, y, std::min(width, commonWidth(s.channels, mean)), stream);
}

// y from x by what the forward pass left. Must move: x and y once; moves that, and the vectors.
template <class S>
void again(const Call& call) {
  const View* v = call.views;
  ApplyArguments<S> b{};
  b.mean = v[1].as<float>();
  b.scale = v[2].as<float>();
  b.offset = v[3].as<float>();
  apply(b, v[0], v[4], commonWidth(v[0].channels(), v[1], v[2], v[3]), call.context.stream);
}

template <class S>
void inference(const Call& call, const BatchNorm::Attributes& a) {
  const View* v = call.views;
  const View &x = v[0], &gamma = v[1], &beta = v[2], &mean = v[3], &variance = v[4], &y = v[5];
  ApplyArguments<S> b{};
  b.mean = mean.as<float>();
  b.scale = gamma.as<float>();
  b.offset = beta.as<float>();
  b.variance = variance.as<float>();
  b.epsilon = a.epsilon;
  apply(b, x, y, commonWidth(x.channels(), gamma, beta, mean, variance), call.context.stream);
}

template <class S>
void backward(const Call& call, const BatchNorm::Attributes& a) {
  const View* v = call.views;
  const View &x = v[0], &gamma = v[1], &mean = v[2], &variance = v[3], &dy = v[4], &dx = v[5],
             &dgamma = v[6], &dbeta = v[7];
  const cudaStream_t stream = call.context.stream;
  const Shape s = shapeOf(x);
  double* const workspace = v[8].as<double>();
  float* const factors = factorsOf(workspace, s);
  forWidth<4>(commonWidth(s.channels, x, dy, mean), [&](auto w) {
    constexpr int kWidth = decltype(w)::value;
    launchParts("batchNormGradientSums", gradientSumsKernel<kWidth, S>, s, kWidth, stream, s,
                matrix<S>(x), matrix<S>(dy), static_cast<const float*>(mean.as<float>()),
                workspace);
  });
  const GradientArguments g{gamma.as<float>(),
                            mean.as<float>(),
                            variance.as<float>(),
                            dgamma ? dgamma.as<float>() : nullptr,
                            dbeta ? dbeta.as<float>() : nullptr,
                            dgamma.accumulates(),
                            dbeta.accumulates(),
                            call.op == BatchNorm::FrozenBackward,
                            a.epsilon};
  launchItems("batchNormGradientTotals", gradientTotalsKernel, s.channels, stream, s, g, workspace,
              factors);
  if (!dx) return;
  const ApplyGradientArguments<S> b{matrix<S>(x),         matrix<S>(dy),
                                    mean.as<float>(),     factors,
                                    factors + s.channels, factors + 2 * s.channels,
                                    dx.as<S>(),           dx.pitch};
  forWidth<4>(std::min(factorsWidth(factors, s), commonWidth(s.channels, x, dy, dx, mean)),
              [&](auto w) {
                constexpr int kWidth = decltype(w)::value;
                forEachWalk<S>(s, kWidth, 4, 3, [&](const Walk& walk, std::int64_t threads) {
                  launchItems("batchNormBackward",
                              dx.accumulates() ? applyGradientKernel<kWidth, true, S>
                                               : applyGradientKernel<kWidth, false, S>,
                              threads, stream, walk, b);
                });
              });
}

}  // namespace

void batch_norm(const Call& call) {
  const auto& a = *static_cast<const BatchNorm::Attributes*>(call.attributes);
  const View* v = call.views;
  if (call.op == BatchNorm::Update)
    return launchItems("batchNormUpdate", updateKernel, v[0].size[0], call.context.stream,
                       static_cast<std::int32_t>(v[0].size[0]), a.momentum,
                       static_cast<const float*>(v[0].as<float>()),
                       static_cast<const float*>(v[1].as<float>()), v[2].as<float>(),
                       v[3].as<float>(), static_cast<const Control*>(call.context.control));
  forStorage(v[0].dtype, [&](auto type) {
    using S = decltype(type);
    if (call.op == BatchNorm::Forward) return forward<S>(call, a);
    if (call.op == BatchNorm::Inference) return inference<S>(call, a);
    if (call.op == BatchNorm::Apply) return again<S>(call);
    backward<S>(call, a);
  });
}

}  // namespace striate::cuda
