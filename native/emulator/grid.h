// Runs one kernel launch: blocks one after the other, the threads of a block on fibers.
//
// A thread runs until it finishes or meets something that needs others (a barrier, a warp operation).
// A kernel without such meetings uses one fiber for all threads and never switches. Which thread and
// which block goes first is the schedule's choice: right kernels give the same bits under every one.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "emulator/finding.h"
#include "emulator/shadow.h"

namespace striate::emulator {

// A range of device memory that a launch may touch, declared by the instruction that launches it.
struct DeclaredRange {
  std::uintptr_t begin;
  std::uintptr_t end;
  bool writable;
};

struct Launch {
  std::string kernel;
  Extent3 grid;
  Extent3 block;
  std::uint64_t dynamicShared = 0;
  std::function<void()> body;  // one thread
  // Null: every live allocation may be touched.
  std::shared_ptr<const std::vector<DeclaredRange>> declared;
};

// The order of threads and blocks.
struct Schedule {
  enum class Order { Forward, Reverse, Shuffled } order = Order::Forward;
  std::uint64_t seed = 0;
};

// What one launch moved; filled only while counting is on.
struct LaunchCount {
  std::string kernel;
  std::uint64_t launches = 0;
  std::uint64_t warpAccesses = 0;
  std::uint64_t sectors = 0;         // of 32 bytes, summed over warp accesses
  std::uint64_t perfectSectors = 0;  // had each warp access been perfectly coalesced
  std::uint64_t uniqueReads = 0;     // sectors: distinct within a block, summed over blocks
  std::uint64_t uniqueWrites = 0;
  std::uint64_t readFootprint = 0;  // sectors: distinct within a launch, summed over launches
  std::uint64_t writeFootprint = 0;
  std::uint64_t bytes = 0;          // asked for by the threads
  std::uint64_t bankConflicts = 0;  // extra passes of shared-memory accesses
  std::uint64_t barriers = 0;
};

// Throws FindingError. `count` may be null.
void runGrid(const Launch& launch, const Schedule& schedule, LaunchCount* count);

}  // namespace striate::emulator
