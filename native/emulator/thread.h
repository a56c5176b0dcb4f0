// What device code calls, in the context of the thread that runs it.
#pragma once
#include <cstddef>
#include <cstdint>

#include "emulator/finding.h"

namespace striate::emulator {

enum class Space { Read, Write, Atomic };

struct ThreadIndices {
  Extent3 threadIdx, blockIdx, blockDim, gridDim;
  std::uint32_t lane;
};

// The indices of the running thread; x, y, z as CUDA has them.
const ThreadIndices& indices();

// The host bytes behind [p, p + bytes), checked.
void* access(const void* p, std::size_t bytes, std::size_t alignment, Space space);

// Shared memory of the running block. Every thread that passes the same site gets the same bytes.
void* staticShared(const void* site, std::size_t bytes, std::size_t alignment);
void* dynamicShared();

void syncThreads();
void syncWarp(std::uint32_t mask);

enum class WarpOp { Shuffle, Ballot };

// Gives `value` to the lanes of the mask and returns when all of them have given theirs; then
// `valueOf(lane)` may be read until the next warp operation of this lane.
void exchange(WarpOp op, std::uint32_t mask, std::uint64_t value);
std::uint64_t valueOf(std::uint32_t lane);
// Reports a read from a lane that took no part.
void requireLane(std::uint32_t mask, std::uint32_t lane);

[[noreturn]] void fail(FindingKind kind, const std::string& message);

}  // namespace striate::emulator
