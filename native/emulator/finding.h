// What the emulator reports: a misuse of CUDA, with the place where it happened.
#pragma once
#include <cstdint>
#include <string>

namespace striate::emulator {

enum class FindingKind {
  BarrierNotReachedByAll,
  OutsideDeclaredBuffers,
  UseAfterFree,
  OutOfBounds,
  Misaligned,
  UninitialisedRead,
  SharedMemoryRace,
  GlobalMemoryRace,
  PartialMask,
  UndefinedLane,
  MissingStreamOrder,
  HostAccess,
  LimitExceeded,
};

const char* name(FindingKind kind);

struct Extent3 {
  std::uint32_t x = 1, y = 1, z = 1;
  std::uint64_t count() const { return std::uint64_t(x) * y * z; }
};

struct Finding {
  FindingKind kind;
  std::string kernel;
  Extent3 block;
  Extent3 thread;
  std::string message;

  // "kernel im2col, block (3,0,0), thread (17,0,0): misaligned: ..."
  std::string text() const;
};

// Thrown from a kernel's thread or from an API call; ends the launch.
struct FindingError {
  Finding finding;
};

}  // namespace striate::emulator
