// im2col, its gather-form inverse, the flip of filters and what else a convolution by matrix
// multiplication needs; see cuda/columns.h.
#include "cuda/columns.h"

#include "cuda/block_sum.h"

namespace striate::cuda {

namespace {

// --- im2col -----------------------------------------------------------------------------------------
// A block takes a tile of target pixels and a slice of channels with all taps, so that what windows share
// is read from memory once. Must move: the source once, the columns once; moves the source and the halo
// of the tiles (at most 1.3 of it for the filters in use), the columns once. Every 32-byte sector of the
// columns is written whole where the channels of a group are a multiple of eight
// (sixteen in 16 bits).

constexpr int kTile = 32;  // target rows and columns of a tile, at most
template <class S>
constexpr int kSlice = 32 / sizeof(S);  // channels of a slice: one sector

struct TileGrid {
  std::int32_t tileH, tileW, tilesH, tilesW, slices, sliceChannels;
};

template <class S>
TileGrid tileGrid(std::int32_t height, std::int32_t width, std::int32_t groupChannels,
                  std::int32_t groups) {
  TileGrid t;
  t.tilesH = static_cast<std::int32_t>(ceilDivide(height, kTile));
  t.tilesW = static_cast<std::int32_t>(ceilDivide(width, kTile));
  t.tileH = static_cast<std::int32_t>(ceilDivide(height, t.tilesH));
  t.tileW = static_cast<std::int32_t>(ceilDivide(width, t.tilesW));
  // Channels that do not make whole sectors are taken together: a row of the columns is then one run.
  t.sliceChannels = groupChannels % kSlice<S> == 0 ? kSlice<S> : groupChannels;
  t.slices = groups * (groupChannels / t.sliceChannels);
  return t;
}

template <int Width, class S>
__global__ void __launch_bounds__(kThreads)
    im2colKernel(Columns<S> columns, Volume<const S> source, TileGrid t, std::uint32_t firstImage) {
  const std::int32_t slice = static_cast<std::int32_t>(blockIdx.x) % t.slices,
                     tile = static_cast<std::int32_t>(blockIdx.x) / t.slices;
  const std::int32_t tileQ = tile % t.tilesW * t.tileW, tileP = tile / t.tilesW * t.tileH;
  const std::int32_t tileW = min(t.tileW, columns.width - tileQ),
                     tileH = min(t.tileH, columns.height - tileP);
  const std::int32_t slicesOfGroup = t.slices / columns.groups, group = slice / slicesOfGroup;
  const std::int32_t groupChannel = slice % slicesOfGroup * t.sliceChannels,
                     channel = group * columns.groupChannels() + groupChannel;
  const std::int32_t packets = t.sliceChannels / Width, taps = columns.taps(),
                     perPixel = taps * packets;
  const std::uint32_t image = blockIdx.y;
  const std::int32_t items = tileW * tileH * perPixel;
  for (std::int32_t i = static_cast<std::int32_t>(threadIdx.x); i < items; i += kThreads) {
    const std::int32_t pixel = i / perPixel, within = i - pixel * perPixel;
    const std::int32_t tap = within / packets, c = (within - tap * packets) * Width;
    const std::int32_t tapRow = tap / columns.columns.count,
                       tapColumn = tap - tapRow * columns.columns.count;
    const std::int32_t p = tileP + pixel / tileW, q = tileQ + pixel % tileW;
    const std::int32_t h = columns.rows.source(p, tapRow), w = columns.columns.source(q, tapColumn);
    Packet<S, Width> value = {};
    if (h >= 0 && h < source.height && w >= 0 && w < source.width)
      value = loadPacket<Width>(
          source.at(firstImage + image, h, w, static_cast<std::uint32_t>(channel + c)));
    const std::int64_t row = (std::int64_t(image) * columns.height + p) * columns.width + q;
    storePacket(columns.data + row * columns.pitch +
                    (std::int64_t(group) * taps + tap) * columns.groupChannels() + groupChannel + c,
                value);
  }
}

// --- col2im -----------------------------------------------------------------------------------------
// A thread takes a packet of channels of one pixel of dx and adds up the taps that reach it: a gather, no
// atomics. Every element of the columns is read by exactly one thread. Must move: the columns once, dx
// once; moves that.

struct Inverse {
  std::int32_t strideH, strideW;
};

template <int Width, bool Add, class S>
__global__ void __launch_bounds__(kThreads, kBlocks)
    col2imKernel(PixelGrid grid, Columns<float> columns, Inverse inverse, Volume<S> dx) {
  const PixelThread t = grid.thread(Width);
  if (!t.exists) return;
  const std::int32_t groupChannels = columns.groupChannels(),
                     channel = static_cast<std::int32_t>(t.c);
  const std::int32_t group = channel / groupChannels, c = channel - group * groupChannels;
  S* const to = dx.at(t.image, t.h, t.w, t.c);
  Packet<float, Width> sum = {};
  if constexpr (Add) sum = loadFloats<Width>(static_cast<const S*>(to));
  const std::int64_t linePitch = columns.width * columns.pitch;
  const float* const image = columns.data +
                             (t.image - grid.firstImage) * (columns.height * linePitch) +
                             group * columns.taps() * groupChannels + c;
  for (std::int32_t r = 0; r < columns.rows.count; ++r) {
    const std::int32_t above = t.h - columns.rows.first - r * columns.rows.delta,
                       p = above / inverse.strideH;
    if (above < 0 || p * inverse.strideH != above || p >= columns.height) continue;
    const float* const line = image + p * linePitch + r * columns.columns.count * groupChannels;
    for (std::int32_t s = 0; s < columns.columns.count; ++s) {
      const std::int32_t left = t.w - columns.columns.first - s * columns.columns.delta,
                         q = left / inverse.strideW;
      if (left < 0 || q * inverse.strideW != left || q >= columns.width) continue;
      const Packet<float, Width> value =
          loadPacket<Width>(line + q * columns.pitch + s * groupChannels);
#pragma unroll
      for (int e = 0; e < Width; ++e) sum.values[e] += value.values[e];
    }
  }
  storeFloats(to, sum);
}

// --- Filters ----------------------------------------------------------------------------------------
// A transposition through a tile in shared memory, so that both sides are read and written along their
// rows. Must move: the filters once each way; moves that.

constexpr int kTransposeTile = 32;
constexpr int kTransposeRows = kThreads / kTransposeTile;

template <class S>
struct FlipArguments {
  const S* w;  // [R, S, C/groups, K]
  S* filters;  // [taps, K/groups, C]
  std::int32_t groupChannels, groupFilters, groups, filterWidth;
  std::int32_t rowFirst, rowStep, columnFirst, columnStep, columnTaps;
};

template <class S>
__global__ void __launch_bounds__(kThreads) flipKernel(FlipArguments<S> a) {
  STRIATE_SHARED(S, tile, kTransposeTile * (kTransposeTile + 1));
  const std::int32_t lane = static_cast<std::int32_t>(threadIdx.x) % kTransposeTile,
                     line = static_cast<std::int32_t>(threadIdx.x) / kTransposeTile;
  const std::int32_t tap = static_cast<std::int32_t>(blockIdx.z) / a.groups,
                     group = static_cast<std::int32_t>(blockIdx.z) % a.groups;
  const std::int32_t r = a.rowFirst + tap / a.columnTaps * a.rowStep,
                     column = a.columnFirst + tap % a.columnTaps * a.columnStep;
  const std::int32_t c0 = static_cast<std::int32_t>(blockIdx.y) * kTransposeTile,
                     k0 = static_cast<std::int32_t>(blockIdx.x) * kTransposeTile;
  const std::int64_t filters = std::int64_t(a.groupFilters) * a.groups,
                     channels = std::int64_t(a.groupChannels) * a.groups;
  const S* const from = a.w +
                        (std::int64_t(r) * a.filterWidth + column) * a.groupChannels * filters +
                        group * a.groupFilters;
  for (std::int32_t i = line; i < kTransposeTile; i += kTransposeRows)
    if (c0 + i < a.groupChannels && k0 + lane < a.groupFilters)
      store(tile + i * (kTransposeTile + 1) + lane, load(from + (c0 + i) * filters + k0 + lane));
  __syncthreads();
  S* const to = a.filters + std::int64_t(tap) * a.groupFilters * channels + group * a.groupChannels;
  for (std::int32_t i = line; i < kTransposeTile; i += kTransposeRows)
    if (k0 + i < a.groupFilters && c0 + lane < a.groupChannels)
      store(to + (k0 + i) * channels + c0 + lane,
            load(static_cast<const S*>(tile) + lane * (kTransposeTile + 1) + i));
}

// --- Phases -----------------------------------------------------------------------------------------
// Must move: the rows of the phase once, the pixels of dx once; moves that. The rows are floats: a sum with
// what dx holds is rounded once.

template <class S>
struct PhaseArguments {
  const float* rows;  // dense
  Volume<S> dx;
  std::int32_t channels, phaseH, phaseW, strideH, strideW;
};

template <int Width, bool Add, class S>
__global__ void __launch_bounds__(kThreads)
    scatterPhaseKernel(PixelGrid grid, PhaseArguments<S> a) {
  const PixelThread t = grid.thread(Width);
  if (!t.exists) return;
  const std::int64_t row =
      (std::int64_t(t.image - grid.firstImage) * grid.height + t.h) * grid.width + t.w;
  Packet<float, Width> value = loadPacket<Width>(a.rows + row * a.channels + t.c);
  S* const to = a.dx.at(t.image, a.phaseH + t.h * a.strideH, a.phaseW + t.w * a.strideW, t.c);
  if constexpr (Add) {
    const Packet<float, Width> old = loadFloats<Width>(static_cast<const S*>(to));
#pragma unroll
    for (int e = 0; e < Width; ++e) value.values[e] += old.values[e];
  }
  storeFloats(to, value);
}

// --- Bias -------------------------------------------------------------------------------------------
// Column sums of dy: a block adds up one part of the pixels for 32 channels, eight pixels side by side; a
// second kernel adds the parts in order. Must move: dy once; moves that.

constexpr int kBiasColumns = 32;
constexpr int kBiasRows = kThreads / kBiasColumns;

template <class S>
struct BiasArguments {
  const S* dy;
  std::int64_t pitch, pixels;
  std::int32_t filters, parts;
};

template <class S>
__global__ void __launch_bounds__(kThreads) biasPartsKernel(BiasArguments<S> a, float* parts) {
  STRIATE_SHARED(float, sums, kThreads);
  const std::int32_t column = static_cast<std::int32_t>(threadIdx.x) % kBiasColumns,
                     row = static_cast<std::int32_t>(threadIdx.x) / kBiasColumns;
  const std::int32_t k = static_cast<std::int32_t>(blockIdx.x) * kBiasColumns + column,
                     part = static_cast<std::int32_t>(blockIdx.y);
  const std::int64_t begin = part * a.pixels / a.parts, end = (part + 1) * a.pixels / a.parts;
  float sum = 0;
  if (k < a.filters)
    for (std::int64_t p = begin + row; p < end; p += kBiasRows)
      sum += loadFloat(a.dy + p * a.pitch + k);
  store(sums + threadIdx.x, sum);
  __syncthreads();
  if (row != 0 || k >= a.filters) return;
  float total = 0;
  for (std::int32_t r = 0; r < kBiasRows; ++r)
    total += load(static_cast<const float*>(sums) + r * kBiasColumns + column);
  store(parts + std::int64_t(part) * a.filters + k, total);
}

__global__ void __launch_bounds__(kThreads)
    biasTotalKernel(std::int32_t filters, std::int32_t count, const float* parts, float* db,
                    bool add) {
  const std::int32_t k = static_cast<std::int32_t>(blockIdx.x * kThreads + threadIdx.x);
  if (k >= filters) return;
  double total = 0;
  for (std::int32_t part = 0; part < count; ++part)
    total += static_cast<double>(load(parts + std::int64_t(part) * filters + k));
  store(db + k, static_cast<float>(total) + (add ? load(static_cast<const float*>(db) + k) : 0.0f));
}

template <class S>
__global__ void __launch_bounds__(kThreads)
    roundBiasKernel(std::int32_t filters, const float* from, S* to) {
  const std::int32_t k = static_cast<std::int32_t>(blockIdx.x * kThreads + threadIdx.x);
  if (k < filters) storeFloat(to + k, load(from + k));
}

}  // namespace

template <class S>
void im2col(const Columns<S>& columns, const View& source, std::int64_t first, std::int64_t count,
            cudaStream_t stream) {
  const TileGrid t =
      tileGrid<S>(columns.height, columns.width, columns.groupChannels(), columns.groups);
  int width = packetWidth(source, columns.groupChannels());
  while (t.sliceChannels % width != 0) width /= 2;
  constexpr std::int64_t kMostRows = 65535;  // of a grid
  forWidth<kMostWidth<S>>(width, [&](auto w) {
    constexpr int kWidth = decltype(w)::value;
    for (std::int64_t done = 0; done < count; done += kMostRows) {
      Columns<S> part = columns;
      part.data += done * columns.height * columns.width * columns.pitch;
      const Geometry g{dim3(static_cast<unsigned>(t.tilesH * t.tilesW * t.slices),
                            static_cast<unsigned>(std::min(kMostRows, count - done))),
                       dim3(kThreads), 0};
      check(launch<kThreads>("im2col", im2colKernel<kWidth, S>, g, stream, part,
                             volume<const S>(source), t, static_cast<std::uint32_t>(first + done)),
            "launch of im2col");
    }
  });
}

namespace {

// Images [first, first + count) of a volume.
template <class S>
View imagesOf(const View& v, std::int64_t first, std::int64_t count) {
  View part = v;
  part.size[0] = count;
  part.data = v.as<S>() + first * v.size[1] * v.size[2] * v.pitch;
  return part;
}

}  // namespace

void col2im(const Columns<float>& columns, const View& dx, std::int64_t first, std::int64_t count,
            std::int32_t strideH, std::int32_t strideW, cudaStream_t stream) {
  forStorage(dx.dtype, [&](auto type) {
    using S = decltype(type);
    const View part = imagesOf<S>(dx, first, count);
    // The columns are floats: four of them are 16 bytes, and so are their rows.
    forWidth<4>(std::min(4, packetWidth(part, columns.groupChannels())), [&](auto w) {
      constexpr int kWidth = decltype(w)::value;
      forEachPixelGrid(part, kWidth, [&](const PixelGrid& grid, std::int64_t items) {
        Columns<float> piece = columns;
        piece.data +=
            std::int64_t(grid.firstImage) * columns.height * columns.width * columns.pitch;
        launchItems(
            "col2im",
            dx.accumulates() ? col2imKernel<kWidth, true, S> : col2imKernel<kWidth, false, S>,
            items, stream, grid, piece, Inverse{strideH, strideW}, volume<S>(part));
      });
    });
  });
}

template <class S>
void flipFilters(const ops::GatherAxis& rows, const ops::GatherAxis& columns, const View& w,
                 std::int64_t groups, S* filters, cudaStream_t stream) {
  const auto narrow = [](std::int64_t v) { return static_cast<std::int32_t>(v); };
  const FlipArguments<S> a{w.as<S>(),
                           filters,
                           narrow(w.size[2]),
                           narrow(w.size[3] / groups),
                           narrow(groups),
                           narrow(w.size[1]),
                           narrow(rows.filterFirst),
                           narrow(rows.filterStep),
                           narrow(columns.filterFirst),
                           narrow(columns.filterStep),
                           narrow(columns.count)};
  const Geometry g{dim3(static_cast<unsigned>(ceilDivide(a.groupFilters, kTransposeTile)),
                        static_cast<unsigned>(ceilDivide(a.groupChannels, kTransposeTile)),
                        static_cast<unsigned>(rows.count * columns.count * groups)),
                   dim3(kThreads), 0};
  check(launch<kThreads>("flipFilters", flipKernel<S>, g, stream, a), "launch of flipFilters");
}

void scatterPhase(const float* rows, std::int64_t height, std::int64_t width, const View& dx,
                  std::int64_t first, std::int64_t count, std::int32_t phaseH, std::int32_t phaseW,
                  std::int32_t strideH, std::int32_t strideW, cudaStream_t stream) {
  const auto channels = static_cast<std::int32_t>(dx.size[3]);
  forStorage(dx.dtype, [&](auto type) {
    using S = decltype(type);
    const View images = imagesOf<S>(dx, first, count);
    View pixels = images;  // the grid runs over the pixels of the phase
    pixels.size[1] = height;
    pixels.size[2] = width;
    View dense = pixels;
    dense.data = const_cast<float*>(rows);
    dense.dtype = DType::Float32;
    dense.pitch = channels;
    const int packet = std::min(packetWidth(images, channels), packetWidth(dense, channels));
    forWidth<4>(packet, [&](auto w) {
      constexpr int kWidth = decltype(w)::value;
      forEachPixelGrid(pixels, kWidth, [&](const PixelGrid& grid, std::int64_t items) {
        const PhaseArguments<S> a{rows + std::int64_t(grid.firstImage) * height * width * channels,
                                  volume<S>(images),
                                  channels,
                                  phaseH,
                                  phaseW,
                                  strideH,
                                  strideW};
        launchItems("scatterPhase",
                    dx.accumulates() ? scatterPhaseKernel<kWidth, true, S>
                                     : scatterPhaseKernel<kWidth, false, S>,
                    items, stream, grid, a);
      });
    });
  });
}

template <class S>
void roundBias(const View& from, S* to, cudaStream_t stream) {
  const auto filters = static_cast<std::int32_t>(from.size[0]);
  launchItems("roundBias", roundBiasKernel<S>, filters, stream, filters,
              static_cast<const float*>(from.as<float>()), to);
}

void biasGradient(const View& dy, const View& db, float* workspace, cudaStream_t stream) {
  const std::int64_t pixels = dy.pixels();
  const auto filters = static_cast<std::int32_t>(dy.channels());
  const auto parts =
      static_cast<std::int32_t>(std::min<std::int64_t>(kBiasParts, ceilDivide(pixels, kBiasRows)));
  const Geometry g{
      dim3(static_cast<unsigned>(ceilDivide(filters, kBiasColumns)), static_cast<unsigned>(parts)),
      dim3(kThreads), 0};
  forStorage(dy.dtype, [&](auto type) {
    using S = decltype(type);
    const BiasArguments<S> a{dy.as<S>(), dy.pitch, pixels, filters, parts};
    check(launch<kThreads>("biasParts", biasPartsKernel<S>, g, stream, a, workspace),
          "launch of biasParts");
  });
  launchItems("biasTotal", biasTotalKernel, filters, stream, filters, parts,
              static_cast<const float*>(workspace), db.as<float>(), db.accumulates());
}

// For the convolution's own file.
#define STRIATE_COLUMNS(S)                                                                        \
  template void im2col(const Columns<S>&, const View&, std::int64_t, std::int64_t, cudaStream_t); \
  template void flipFilters(const ops::GatherAxis&, const ops::GatherAxis&, const View&,          \
                            std::int64_t, S*, cudaStream_t);                                      \
  template void roundBias(const View&, S*, cudaStream_t);
STRIATE_COLUMNS(float)
STRIATE_COLUMNS(BFloat16)
STRIATE_COLUMNS(Float16)
#undef STRIATE_COLUMNS

}  // namespace striate::cuda
