// Group normalisation; see ops/group_norm.h.
//
// x is read twice: once for the statistics, once to apply them. The pixels of an image are cut into at most
// four parts; a block takes one part of one image and up to 128 channels, its threads four channels each,
// eight pixels side by side. A part leaves (mean, M2) by channel, which the threads of a group join in a fixed
// order. Must move forward: x twice, y once; backward: x and dy twice, dx once; moves that, two doubles a
// channel and part, and the vectors of channels once for eight pixels.
#include "ops/group_norm.h"

#include "cuda/pixels.h"
#include "cuda/storage.h"

namespace striate::cuda {

using ops::GroupNorm;

namespace {

constexpr int kColumns = 32;    // threads across channels
constexpr int kRows = 8;        // threads across pixels
constexpr int kMostPacket = 4;  // channels of a thread: 16 bytes of floats
constexpr int kRepeats = 8;     // pixels for which a thread keeps the vectors of its channels
static_assert(kColumns * kRows == kThreads);

// What the threads of a block leave for the channels of their column, as batch_norm.cu lays it out.
constexpr int kPitch = kColumns + 4;
constexpr int kLeft = kRows * kMostPacket * kPitch;  // elements

// [images, pixels, channels]; parts of each image.
struct Shape {
  std::int64_t images, pixels;
  std::int32_t channels, groups, parts;
  std::int32_t groupThreads;  // that join one group: a power of two

  __device__ __forceinline__ std::int64_t begin(int part) const { return part * pixels / parts; }
  __device__ __forceinline__ std::int32_t perGroup() const { return channels / groups; }
  __device__ __forceinline__ double values() const {
    return static_cast<double>(pixels) * static_cast<double>(perGroup());
  }
  // Places in the workspace: two doubles a channel and part, then four vectors of channels.
  __device__ __forceinline__ double* sums(double* workspace, std::int64_t image, int part,
                                          int which) const {
    return workspace +
           (image * (2 * GroupNorm::kParts + GroupNorm::kVectors) + 2 * part + which) * channels;
  }
  __device__ __forceinline__ float* vector(double* workspace, std::int64_t image, int which) const {
    return reinterpret_cast<float*>(sums(workspace, image, GroupNorm::kParts, 0)) +
           std::int64_t(which) * channels;
  }
};

template <class S>
struct Matrix {
  S* data;
  std::int64_t pitch;
};
template <class S>
Matrix<S> matrix(const View& v) {
  return {v.as<S>(), v.pitch};
}

// Part of an image, pixels and channels of a thread of the first reading.
struct PartThread {
  int image, part, column, row, channel, pixels;
  std::int64_t begin;  // in the batch
};
template <int Width>
__device__ __forceinline__ PartThread partThread(const Shape& s) {
  PartThread t;
  t.image = static_cast<int>(blockIdx.x) / s.parts;
  t.part = static_cast<int>(blockIdx.x) % s.parts;
  t.column = static_cast<int>(threadIdx.x) % kColumns;
  t.row = static_cast<int>(threadIdx.x) / kColumns;
  t.channel = (static_cast<int>(blockIdx.y) * kColumns + t.column) * Width;
  t.begin = t.image * s.pixels + s.begin(t.part);
  t.pixels = static_cast<int>(s.begin(t.part + 1) - s.begin(t.part));
  return t;
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

// One of the threads that join the channels and parts of a group of an image. A block has as many groups as
// leave no thread idle, side by side, so that it reads and writes whole sectors of the channels.
struct GroupThread {
  std::int64_t image;
  std::int32_t group, first, thread, lane;
  bool exists;
};
__device__ __forceinline__ GroupThread groupThread(const Shape& s) {
  GroupThread t;
  t.thread = static_cast<std::int32_t>(threadIdx.x);
  t.lane = t.thread % s.groupThreads;
  const std::int64_t at =
      std::int64_t(blockIdx.x) * (kThreads / s.groupThreads) + t.thread / s.groupThreads;
  t.image = at / s.groups;
  t.group = static_cast<std::int32_t>(at % s.groups);
  t.first = t.group * s.perGroup();
  t.exists = t.image < s.images;
  return t;
}

struct Moments {
  double count, mean, m2;

  __device__ __forceinline__ void add(const Moments& other) {
    if (other.count == 0) return;
    const double total = count + other.count, delta = other.mean - mean;
    mean += delta * (other.count / total);
    m2 += other.m2 + delta * delta * (count * other.count / total);
    count = total;
  }
};

// A thread takes its values relative to the first of them, so that a mean far from zero costs no digits.
template <int Width, class S>
__global__ void __launch_bounds__(kThreads, kBlocks)
    momentsKernel(Shape s, Matrix<const S> x, double* workspace) {
  STRIATE_SHARED(double, means, kLeft);
  STRIATE_SHARED(float, squares, kLeft);
  const PartThread p = partThread<Width>(s);
  Packet<float, Width> centre = {};
  float mean[Width] = {}, m2[Width] = {};
  if (p.channel < s.channels && p.row < p.pixels) {
    const S* at = x.data + (p.begin + p.row) * x.pitch + p.channel;
    centre = loadFloats<Width>(at);
    float count = 1;
    for (int i = p.row + kRows; i < p.pixels; i += kRows) {
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
    store(means + (p.row * Width + e) * kPitch + p.column,
          static_cast<double>(centre.values[e]) + static_cast<double>(mean[e]));
    store(squares + (p.row * Width + e) * kPitch + p.column, m2[e]);
  }
  __syncthreads();
  const ChannelThread t = channelThread<Width>(s);
  if (!t.exists) return;
  Moments joined = {};
  for (int r = 0; r < kRows; ++r) {
    const int n = p.pixels > r ? (p.pixels - r + kRows - 1) / kRows : 0;
    joined.add({static_cast<double>(n), load(means + r * Width * kPitch + t.place),
                static_cast<double>(load(squares + r * Width * kPitch + t.place))});
  }
  store(s.sums(workspace, p.image, p.part, 0) + t.channel, joined.mean);
  store(s.sums(workspace, p.image, p.part, 1) + t.channel, joined.m2);
}

struct Statistics {
  const float *gamma, *beta;
  Matrix<float> mean, variance;
  float epsilon;
};

// Joins the channels and parts of each group.
__global__ void __launch_bounds__(kThreads)
    statisticsKernel(Shape s, double* workspace, Statistics a) {
  STRIATE_SHARED(double, counts, kThreads);
  STRIATE_SHARED(double, means, kThreads);
  STRIATE_SHARED(double, squares, kThreads);
  const GroupThread t = groupThread(s);
  const std::int32_t end = t.exists ? t.first + s.perGroup() : 0;
  Moments joined = {};
  for (int part = 0; part < s.parts; ++part)
    for (int c = t.first + t.lane; c < end; c += s.groupThreads)
      joined.add({static_cast<double>(s.begin(part + 1) - s.begin(part)),
                  load(static_cast<const double*>(s.sums(workspace, t.image, part, 0)) + c),
                  load(static_cast<const double*>(s.sums(workspace, t.image, part, 1)) + c)});
  for (int half = s.groupThreads / 2; half > 0; half /= 2) {
    store(counts + t.thread, joined.count);
    store(means + t.thread, joined.mean);
    store(squares + t.thread, joined.m2);
    __syncthreads();
    if (t.lane < half)
      joined.add({load(counts + t.thread + half), load(means + t.thread + half),
                  load(squares + t.thread + half)});
    __syncthreads();
  }
  if (t.lane == 0) {
    store(means + t.thread, joined.mean);
    store(squares + t.thread, joined.m2 / joined.count);
  }
  __syncthreads();
  if (!t.exists) return;
  const double exact = load(means + t.thread - t.lane),
               variance = load(squares + t.thread - t.lane);
  const float mean = static_cast<float>(exact);
  if (t.lane == 0) {
    store(a.mean.data + t.image * a.mean.pitch + t.group, mean);
    store(a.variance.data + t.image * a.variance.pitch + t.group, static_cast<float>(variance));
  }
  const double inverse = 1 / sqrt(variance + static_cast<double>(a.epsilon));
  for (int c = t.first + t.lane; c < end; c += s.groupThreads) {
    const double factor = static_cast<double>(load(a.gamma + c)) * inverse;
    store(s.vector(workspace, t.image, 0) + c, mean);
    store(s.vector(workspace, t.image, 1) + c, static_cast<float>(factor));
    // What rounding took from the mean counts where the mean is large beside the deviation.
    store(s.vector(workspace, t.image, 2) + c,
          static_cast<float>(static_cast<double>(load(a.beta + c)) -
                             (exact - static_cast<double>(mean)) * factor));
  }
}

// The second reading: the packets of every `pixelsAtOnce`-th pixel of an image, from `first` on.
struct Walk {
  std::int64_t first, end;  // pixels of the image
  std::uint32_t pixelsAtOnce, packets, firstImage;
};

template <int Width, bool Add, class S>
__global__ void __launch_bounds__(kThreads, kBlocks)
    applyKernel(Walk walk, Shape s, Matrix<const S> x, double* workspace, Matrix<S> y) {
  const std::uint32_t thread = blockIdx.x * kThreads + threadIdx.x, row = thread / walk.packets;
  if (row >= walk.pixelsAtOnce) return;
  const std::uint32_t c = (thread - row * walk.packets) * Width;
  const std::int64_t image = walk.firstImage + blockIdx.y;
  const auto vector = [&](int which) {
    return loadPacket<Width>(static_cast<const float*>(s.vector(workspace, image, which)) + c);
  };
  const Packet<float, Width> mean = vector(0), scale = vector(1), offset = vector(2);
  for (std::int64_t p = walk.first + row; p < walk.end; p += walk.pixelsAtOnce) {
    const std::int64_t pixel = image * s.pixels + p;
    const Packet<float, Width> value = loadFloats<Width>(x.data + pixel * x.pitch + c);
    S* const to = y.data + pixel * y.pitch + c;
    Packet<float, Width> out = {};
    if constexpr (Add) out = loadFloats<Width>(static_cast<const S*>(to));
#pragma unroll
    for (int e = 0; e < Width; ++e)
      out.values[e] +=
          ops::normalised(value.values[e], mean.values[e], scale.values[e], offset.values[e]);
    storeFloats(to, out);
  }
}

// Sums of dy and of dy * (x - mean) over a part.
template <int Width, class S>
__global__ void __launch_bounds__(kThreads, kBlocks)
    gradientSumsKernel(Shape s, Matrix<const S> x, Matrix<const S> dy, Matrix<const float> mean,
                       double* workspace) {
  STRIATE_SHARED(float, sums, kLeft);
  STRIATE_SHARED(float, products, kLeft);
  const PartThread p = partThread<Width>(s);
  float sum[Width] = {}, product[Width] = {};
  if (p.channel < s.channels) {
    float centre[Width];
#pragma unroll
    for (int e = 0; e < Width; ++e)
      centre[e] = load(mean.data + p.image * mean.pitch + (p.channel + e) / s.perGroup());
    const S* atX = x.data + (p.begin + p.row) * x.pitch + p.channel;
    const S* atDy = dy.data + (p.begin + p.row) * dy.pitch + p.channel;
    for (int i = p.row; i < p.pixels;
         i += kRows, atX += kRows * x.pitch, atDy += kRows * dy.pitch) {
      const Packet<float, Width> value = loadFloats<Width>(atX);
      const Packet<float, Width> gradient = loadFloats<Width>(atDy);
#pragma unroll
      for (int e = 0; e < Width; ++e) {
        sum[e] += gradient.values[e];
        product[e] += gradient.values[e] * (value.values[e] - centre[e]);
      }
    }
  }
#pragma unroll
  for (int e = 0; e < Width; ++e) {
    store(sums + (p.row * Width + e) * kPitch + p.column, sum[e]);
    store(products + (p.row * Width + e) * kPitch + p.column, product[e]);
  }
  __syncthreads();
  const ChannelThread t = channelThread<Width>(s);
  if (!t.exists) return;
  double total = 0, totalProduct = 0;
  for (int r = 0; r < kRows; ++r) {
    total += static_cast<double>(load(sums + r * Width * kPitch + t.place));
    totalProduct += static_cast<double>(load(products + r * Width * kPitch + t.place));
  }
  store(s.sums(workspace, p.image, p.part, 0) + t.channel, total);
  store(s.sums(workspace, p.image, p.part, 1) + t.channel, totalProduct);
}

struct Gradients {
  const float* gamma;
  Matrix<const float> mean, variance;
  float* out;  // dgamma or dbeta
  float epsilon;

  __device__ __forceinline__ double inverse(std::int64_t image, int group) const {
    return 1.0 / sqrt(static_cast<double>(load(variance.data + image * variance.pitch + group)) +
                      static_cast<double>(epsilon));
  }
};

// Part 0 of each channel takes in the others, and the sums over a group give the vectors mean, scale, offset
// and slope of its channels.
__global__ void __launch_bounds__(kThreads)
    gradientTotalsKernel(Shape s, double* workspace, Gradients a) {
  STRIATE_SHARED(double, sums, kThreads);
  STRIATE_SHARED(double, products, kThreads);
  const GroupThread t = groupThread(s);
  const std::int32_t end = t.exists ? t.first + s.perGroup() : 0;
  double sum = 0, product = 0;
  for (int c = t.first + t.lane; c < end; c += s.groupThreads) {
    double total = 0, totalProduct = 0;
    for (int part = 0; part < s.parts; ++part) {
      total += load(static_cast<const double*>(s.sums(workspace, t.image, part, 0)) + c);
      totalProduct += load(static_cast<const double*>(s.sums(workspace, t.image, part, 1)) + c);
    }
    store(s.sums(workspace, t.image, 0, 0) + c, total);
    store(s.sums(workspace, t.image, 0, 1) + c, totalProduct);
    sum += static_cast<double>(load(a.gamma + c)) * total;
    product += static_cast<double>(load(a.gamma + c)) * totalProduct;
  }
  for (int half = s.groupThreads / 2; half > 0; half /= 2) {
    store(sums + t.thread, sum);
    store(products + t.thread, product);
    __syncthreads();
    if (t.lane < half) {
      sum += load(static_cast<const double*>(sums) + t.thread + half);
      product += load(static_cast<const double*>(products) + t.thread + half);
    }
    __syncthreads();
  }
  if (t.lane == 0) {
    store(sums + t.thread, sum);
    store(products + t.thread, product);
  }
  __syncthreads();
  if (!t.exists) return;
  const int place = t.thread - t.lane;
  const double inverse = a.inverse(t.image, t.group);
  const double offset = inverse * load(static_cast<const double*>(sums) + place) / s.values(),
               slope = inverse * inverse * inverse *
                       load(static_cast<const double*>(products) + place) / s.values();
  const float mean = load(a.mean.data + t.image * a.mean.pitch + t.group);
  for (int c = t.first + t.lane; c < end; c += s.groupThreads) {
    store(s.vector(workspace, t.image, 0) + c, mean);
    store(s.vector(workspace, t.image, 1) + c,
          static_cast<float>(static_cast<double>(load(a.gamma + c)) * inverse));
    store(s.vector(workspace, t.image, 2) + c, static_cast<float>(offset));
    store(s.vector(workspace, t.image, 3) + c, static_cast<float>(slope));
  }
}

// dgamma or dbeta: a thread a channel sums over the images.
template <bool Gamma, bool Add>
__global__ void __launch_bounds__(kThreads)
    parametersKernel(Shape s, double* workspace, Gradients a) {
  const int c = static_cast<int>(blockIdx.x * kThreads + threadIdx.x);
  if (c >= s.channels) return;
  double sum = 0;
  for (std::int64_t image = 0; image < s.images; ++image) {
    const double part =
        load(static_cast<const double*>(s.sums(workspace, image, 0, Gamma ? 1 : 0)) + c);
    sum += Gamma ? part * a.inverse(image, c / s.perGroup()) : part;
  }
  const float old = Add ? load(static_cast<const float*>(a.out) + c) : 0.0f;
  store(a.out + c, old + static_cast<float>(sum));
}

template <int Width, bool Add, class S>
__global__ void __launch_bounds__(kThreads, kBlocks)
    applyGradientKernel(Walk walk, Shape s, Matrix<const S> x, Matrix<const S> dy,
                        double* workspace, Matrix<S> dx) {
  const std::uint32_t thread = blockIdx.x * kThreads + threadIdx.x, row = thread / walk.packets;
  if (row >= walk.pixelsAtOnce) return;
  const std::uint32_t c = (thread - row * walk.packets) * Width;
  const std::int64_t image = walk.firstImage + blockIdx.y;
  const auto vector = [&](int which) {
    return loadPacket<Width>(static_cast<const float*>(s.vector(workspace, image, which)) + c);
  };
  const Packet<float, Width> mean = vector(0), scale = vector(1), offset = vector(2),
                             slope = vector(3);
  for (std::int64_t p = walk.first + row; p < walk.end; p += walk.pixelsAtOnce) {
    const std::int64_t pixel = image * s.pixels + p;
    const Packet<float, Width> value = loadFloats<Width>(x.data + pixel * x.pitch + c);
    const Packet<float, Width> gradient = loadFloats<Width>(dy.data + pixel * dy.pitch + c);
    S* const to = dx.data + pixel * dx.pitch + c;
    Packet<float, Width> out = {};
    if constexpr (Add) out = loadFloats<Width>(static_cast<const S*>(to));
#pragma unroll
    for (int e = 0; e < Width; ++e)
      out.values[e] += ops::normalisedGradient(value.values[e], gradient.values[e], mean.values[e],
                                               scale.values[e], offset.values[e], slope.values[e]);
    storeFloats(to, out);
  }
}

Shape shapeOf(const View& x, std::int32_t groups) {
  const std::int64_t pixels = x.pixels() / std::max<std::int64_t>(x.size[0], 1);
  const auto channels = static_cast<std::int32_t>(x.channels());
  std::int32_t groupThreads = 1;
  while (groupThreads < kThreads && groupThreads < channels / groups) groupThreads *= 2;
  return {x.size[0],
          pixels,
          channels,
          groups,
          static_cast<std::int32_t>(std::min<std::int64_t>(GroupNorm::kParts, pixels)),
          groupThreads};
}

// Blocks of the kernels that join groups.
std::int64_t groupBlocks(const Shape& s) {
  return ceilDivide(s.images * s.groups, kThreads / s.groupThreads);
}

// Widest packet of at most four elements that all views allow.
template <class... Views>
int commonWidth(std::int64_t channels, const Views&... views) {
  return std::min({kMostPacket, packetWidth(views, channels)...});
}

template <class... Parameters, class... Arguments>
void launchGrid(const char* name, void (*kernel)(Parameters...), std::int64_t across,
                std::int64_t down, cudaStream_t stream, Arguments&&... arguments) {
  const Geometry g{dim3(static_cast<unsigned>(across), static_cast<unsigned>(down)), dim3(kThreads),
                   0};
  check(launch<kThreads>(name, kernel, g, stream, std::forward<Arguments>(arguments)...),
        std::string("launch of ") + name);
}

// Calls body(walk, blocks, images) for pieces of the batch whose packets are numbered with 32 bits and whose
// images fit the grid.
template <class Body>
void forEachWalk(const Shape& s, int width, const Body& body) {
  constexpr std::int64_t kMostImages = 65535;
  const std::int64_t packets = s.channels / width,
                     most = std::max<std::int64_t>(1, kMostItems / packets) * kRepeats;
  for (std::int64_t image = 0; image < s.images; image += kMostImages)
    for (std::int64_t first = 0; first < s.pixels; first += most) {
      const std::int64_t pixels = std::min(most, s.pixels - first),
                         atOnce = ceilDivide(pixels, kRepeats);
      body(Walk{first, first + pixels, static_cast<std::uint32_t>(atOnce),
                static_cast<std::uint32_t>(packets), static_cast<std::uint32_t>(image)},
           ceilDivide(atOnce * packets, kThreads), std::min(kMostImages, s.images - image));
    }
}

// The vectors of channels lie behind sums of `channels` doubles: aligned for four floats where the channels
// are even.
int vectorWidth(const View& workspace, std::int64_t channels) {
  const bool aligned = reinterpret_cast<std::uintptr_t>(workspace.data) % 16 == 0;
  return aligned && channels % 4 == 0 ? 4 : 1;
}

template <class S>
void forward(const Call& call, const GroupNorm::Attributes& a) {
  const View* v = call.views;
  const View &x = v[0], &y = v[3];
  const cudaStream_t stream = call.context.stream;
  const Shape s = shapeOf(x, a.groups);
  double* const workspace = v[6].as<double>();
  forWidth<kMostPacket>(commonWidth(s.channels, x), [&](auto w) {
    constexpr int kWidth = decltype(w)::value;
    launchGrid("groupNormMoments", momentsKernel<kWidth, S>, s.images * s.parts,
               ceilDivide(s.channels, kColumns * kWidth), stream, s, matrix<const S>(x), workspace);
  });
  launchGrid("groupNormStatistics", statisticsKernel, groupBlocks(s), 1, stream, s, workspace,
             Statistics{v[1].as<float>(), v[2].as<float>(), matrix<float>(v[4]),
                        matrix<float>(v[5]), a.epsilon});
  const int width = std::min(vectorWidth(v[6], s.channels), commonWidth(s.channels, x, y));
  forWidth<kMostPacket>(width, [&](auto w) {
    constexpr int kWidth = decltype(w)::value;
    forEachWalk(s, kWidth, [&](const Walk& walk, std::int64_t blocks, std::int64_t count) {
      launchGrid("groupNormApply",
                 y.accumulates() ? applyKernel<kWidth, true, S> : applyKernel<kWidth, false, S>,
                 blocks, count, stream, walk, s, matrix<const S>(x), workspace, matrix<S>(y));
    });
  });
}

template <class S>
void backward(const Call& call, const GroupNorm::Attributes& a) {
  const View* v = call.views;
  const View &x = v[0], &dy = v[4], &dx = v[5], &dgamma = v[6], &dbeta = v[7];
  const cudaStream_t stream = call.context.stream;
  const Shape s = shapeOf(x, a.groups);
  double* const workspace = v[8].as<double>();
  Gradients gradients{v[1].as<float>(), matrix<const float>(v[2]), matrix<const float>(v[3]),
                      nullptr, a.epsilon};
  forWidth<kMostPacket>(commonWidth(s.channels, x, dy), [&](auto w) {
    constexpr int kWidth = decltype(w)::value;
    launchGrid("groupNormGradientSums", gradientSumsKernel<kWidth, S>, s.images * s.parts,
               ceilDivide(s.channels, kColumns * kWidth), stream, s, matrix<const S>(x),
               matrix<const S>(dy), gradients.mean, workspace);
  });
  launchGrid("groupNormGradientTotals", gradientTotalsKernel, groupBlocks(s), 1, stream, s,
             workspace, gradients);
  const auto parameters = [&](const View& out, auto overwrite, auto add) {
    if (!out) return;
    gradients.out = out.as<float>();
    launchItems("groupNormParameters", out.accumulates() ? add : overwrite, s.channels, stream, s,
                workspace, gradients);
  };
  parameters(dgamma, parametersKernel<true, false>, parametersKernel<true, true>);
  parameters(dbeta, parametersKernel<false, false>, parametersKernel<false, true>);
  if (!dx) return;
  const int width = std::min(vectorWidth(v[8], s.channels), commonWidth(s.channels, x, dy, dx));
  forWidth<kMostPacket>(width, [&](auto w) {
    constexpr int kWidth = decltype(w)::value;
    forEachWalk(s, kWidth, [&](const Walk& walk, std::int64_t blocks, std::int64_t count) {
      launchGrid("groupNormBackward",
                 dx.accumulates() ? applyGradientKernel<kWidth, true, S>
                                  : applyGradientKernel<kWidth, false, S>,
                 blocks, count, stream, walk, s, matrix<const S>(x), matrix<const S>(dy), workspace,
                 matrix<S>(dx));
    });
  });
}

}  // namespace

void group_norm(const Call& call) {
  const auto& a = *static_cast<const GroupNorm::Attributes*>(call.attributes);
  forStorage(call.views[0].dtype, [&](auto type) {
    using S = decltype(type);
    if (call.op == GroupNorm::Forward)
      forward<S>(call, a);
    else
      backward<S>(call, a);
  });
}

}  // namespace striate::cuda
