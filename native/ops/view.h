// A view: what an op sees of a buffer. Shared by every device, host and device code alike.
#pragma once
#include <cstdint>

// Functions that the CPU loops and the CUDA kernels share. They are always inlined on the CPU: the
// same header is compiled once for each instruction set, and an out-of-line copy of one set must not
// be linked into another.
#if defined(__CUDACC__)
#define STRIATE_HD __host__ __device__ inline
#else
#define STRIATE_HD inline __attribute__((always_inline))
#endif

namespace striate {

enum class DType : std::uint8_t {
  Float32 = 0,
  Float64 = 1,
  UInt8 = 2,
  Int32 = 3,
  BFloat16 = 4,
  Float16 = 5,
};

// bfloat16 and float16: storage, never arithmetic (ops/half.h).
STRIATE_HD constexpr bool isHalf(DType t) { return t == DType::BFloat16 || t == DType::Float16; }

STRIATE_HD constexpr std::int64_t sizeOf(DType t) {
  return t == DType::Float64 ? 8 : t == DType::UInt8 ? 1 : isHalf(t) ? 2 : 4;
}

// What an instruction does to the elements of a view. `None` marks an operand that was left out:
// for a gradient that is design's `Ignore`, while `Overwrite` and `Accumulate` are the other two.
enum class Access : std::uint8_t { None = 0, Read = 1, Overwrite = 2, Accumulate = 3 };

// Volumes are [n, height, width, channels], filters [R, S, C/groups, K], vectors [K]; the last axis
// is contiguous. `pitch` is the distance, in elements, between two neighbours on the axis before the
// last (two pixels); it equals the last extent unless the view is a channel range of a wider volume.
struct View {
  void* data = nullptr;  // first element of the view, channel offset included
  DType dtype = DType::Float32;
  Access access = Access::None;
  std::int32_t rank = 0;
  std::int64_t size[4] = {1, 1, 1, 1};
  std::int64_t pitch = 1;

  STRIATE_HD explicit operator bool() const { return access != Access::None; }
  STRIATE_HD bool accumulates() const { return access == Access::Accumulate; }
  STRIATE_HD std::int64_t channels() const { return rank == 0 ? 1 : size[rank - 1]; }
  // Rows of `channels()` elements, `pitch` apart.
  STRIATE_HD std::int64_t pixels() const {
    std::int64_t n = 1;
    for (int i = 0; i + 1 < rank; ++i) n *= size[i];
    return n;
  }
  STRIATE_HD std::int64_t elements() const { return pixels() * channels(); }
  STRIATE_HD bool dense() const { return pitch == channels() || pixels() == 1; }
  template <class T>
  STRIATE_HD T* as() const {
    return static_cast<T*>(data);
  }
};

// What changes from step to step, one block a device; kernels read it, so a recorded program can be
// replayed. `commit` is 1 unless `checkFinite` of this step cleared it: then no commit instruction
// changes anything.
struct Control {
  std::int64_t step = 0;          // steps completed before this one
  std::int64_t sampleOffset = 0;  // index of this batch's first sample in the logical batch
  std::uint64_t seed = 0;
  double learningRate = 0;
  double lossScale = 1;
  std::int32_t commit = 1;
  std::int32_t reserved = 0;
};

}  // namespace striate
