// How kernels over volumes name their threads: one thread a packet of channels of one pixel.
#pragma once
#include <algorithm>

#include "cuda/kernel.h"
#include "cuda/packet.h"

namespace striate::cuda {

// A volume in device memory: [n, height, width, channels] with a pixel pitch.
template <class T>
struct Volume {
  T* data;
  std::int64_t pitch;
  std::int32_t height, width;

  __device__ __forceinline__ T* at(std::uint32_t image, std::int32_t h, std::int32_t w,
                                   std::uint32_t c) const {
    return data + ((std::int64_t(image) * height + h) * width + w) * pitch + c;
  }
};

template <class T>
Volume<T> volume(const View& v) {
  return {v.as<T>(), v.pitch, static_cast<std::int32_t>(v.size[1]),
          static_cast<std::int32_t>(v.size[2])};
}

// Which pixel and channels a thread works on.
struct PixelThread {
  std::uint32_t image, c;
  std::int32_t h, w;
  bool exists;
};

// Packets run innermost, then columns, rows and images: neighbouring threads read neighbouring bytes.
struct PixelGrid {
  std::uint32_t packets, width, height, images, firstImage;

  __device__ __forceinline__ PixelThread thread(int packetWidth) const {
    const std::uint32_t i = blockIdx.x * kThreads + threadIdx.x;
    const std::uint32_t pixel = i / packets, row = pixel / width, image = row / height;
    return {firstImage + image, (i - pixel * packets) * packetWidth,
            static_cast<std::int32_t>(row - image * height),
            static_cast<std::int32_t>(pixel - row * width), image < images};
  }
};

// Calls body(grid, items) for pieces of the batch whose items are numbered with 32 bits.
template <class Body>
void forEachPixelGrid(const View& v, int packetWidth, const Body& body) {
  const std::int64_t packets = v.size[3] / packetWidth, perImage = v.size[1] * v.size[2] * packets;
  const std::int64_t images = perImage < kMostItems ? kMostItems / perImage : 1;
  for (std::int64_t first = 0; first < v.size[0]; first += images) {
    const std::int64_t n = first + images < v.size[0] ? images : v.size[0] - first;
    body(PixelGrid{static_cast<std::uint32_t>(packets), static_cast<std::uint32_t>(v.size[2]),
                   static_cast<std::uint32_t>(v.size[1]), static_cast<std::uint32_t>(n),
                   static_cast<std::uint32_t>(first)},
         n * perImage);
  }
}

}  // namespace striate::cuda
