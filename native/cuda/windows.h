// The windows of a pooling with 32-bit indices, and the tiles of pixels in which its blocks work.
#pragma once
#include "cuda/pixels.h"
#include "ops/window.h"

namespace striate::cuda {

using Windows = ops::BasicWindowAxis<std::int32_t>;

// Throws where an index of the axis would not fit.
inline Windows windows(const ops::WindowAxis& axis) {
  if (axis.extent + axis.padBefore + axis.padAfter + axis.size + axis.stride > INT32_MAX)
    throw Failure{cudaErrorInvalidValue, "narrowing a window's axis",
                  "extent, window and stride exceed 2^31"};
  const auto narrow = [](std::int64_t v) { return static_cast<std::int32_t>(v); };
  return {narrow(axis.extent),    narrow(axis.size),     narrow(axis.stride),
          narrow(axis.padBefore), narrow(axis.padAfter), narrow(axis.outputs)};
}

// A block takes a tile of pixels and a slice of channels, one packet a thread: neighbouring windows share
// pixels, which a tile reads once, and a slice of 64 bytes is read in whole sectors.
struct TileGrid {
  std::uint32_t slicePackets, tileW, tileH;  // of a block
  std::uint32_t slices, tilesW, tilesH;      // of an image
  std::uint32_t packets, width, height;      // of an image
  std::uint32_t firstImage;

  __device__ __forceinline__ PixelThread thread(int packetWidth) const {
    std::uint32_t block = blockIdx.x, rest = threadIdx.x;
    const std::uint32_t tile = block / slices,
                        packet = (block - tile * slices) * slicePackets + rest % slicePackets;
    const std::uint32_t tileRow = tile / tilesW, image = tileRow / tilesH;
    rest /= slicePackets;
    const std::uint32_t row = rest / tileW, w = (tile - tileRow * tilesW) * tileW + rest % tileW;
    const std::uint32_t h = (tileRow - image * tilesH) * tileH + row;
    return {firstImage + image, packet * packetWidth, static_cast<std::int32_t>(h),
            static_cast<std::int32_t>(w),
            row < tileH && packet < packets && w < width && h < height};
  }
};

// Calls body(grid, blocks) for pieces of the batch whose blocks are numbered with 32 bits.
template <class Body>
void forEachTileGrid(const View& v, int packetWidth, const Body& body) {
  constexpr std::int64_t kSide = 8;
  const std::int64_t size = sizeOf(v.dtype), packets = v.size[3] / packetWidth;
  const std::int64_t slice =
      std::min<std::int64_t>(packets, std::max<std::int64_t>(1, 64 / (packetWidth * size)));
  const std::int64_t tileW = std::min(v.size[2], kSide);
  // An even number of rows, so that windows of two rows lie in one tile.
  const std::int64_t tileH =
      std::min(v.size[1], std::max<std::int64_t>(1, kThreads / (tileW * slice) / 2 * 2));
  // Small volumes leave threads for more channels.
  const std::int64_t wide =
      std::min(packets, std::max(slice, kThreads / (tileW * tileH) / slice * slice));
  const std::int64_t tilesW = ceilDivide(v.size[2], tileW), tilesH = ceilDivide(v.size[1], tileH);
  const std::int64_t slices = ceilDivide(packets, wide), perImage = slices * tilesW * tilesH;
  const std::int64_t images = std::max<std::int64_t>(1, kMostItems / kThreads / perImage);
  const auto narrow = [](std::int64_t n) { return static_cast<std::uint32_t>(n); };
  for (std::int64_t first = 0; first < v.size[0]; first += images)
    body(TileGrid{narrow(wide), narrow(tileW), narrow(tileH), narrow(slices), narrow(tilesW),
                  narrow(tilesH), narrow(packets), narrow(v.size[2]), narrow(v.size[1]),
                  narrow(first)},
         std::min(images, v.size[0] - first) * perImage);
}

}  // namespace striate::cuda
