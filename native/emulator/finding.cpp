#include "emulator/finding.h"

namespace striate::emulator {

const char* name(FindingKind kind) {
  switch (kind) {
    case FindingKind::BarrierNotReachedByAll:
      return "barrier not reached by all";
    case FindingKind::OutsideDeclaredBuffers:
      return "access outside the declared buffers";
    case FindingKind::UseAfterFree:
      return "use after free";
    case FindingKind::OutOfBounds:
      return "access outside any allocation";
    case FindingKind::Misaligned:
      return "misaligned access";
    case FindingKind::UninitialisedRead:
      return "read of uninitialised memory";
    case FindingKind::SharedMemoryRace:
      return "race in shared memory";
    case FindingKind::GlobalMemoryRace:
      return "race in global memory";
    case FindingKind::PartialMask:
      return "partial mask";
    case FindingKind::UndefinedLane:
      return "undefined lane";
    case FindingKind::MissingStreamOrder:
      return "missing stream order";
    case FindingKind::HostAccess:
      return "host access to device memory";
    case FindingKind::LimitExceeded:
      return "limit exceeded";
  }
  return "finding";
}

namespace {
std::string triple(const Extent3& e) {
  return "(" + std::to_string(e.x) + "," + std::to_string(e.y) + "," + std::to_string(e.z) + ")";
}
}  // namespace

std::string Finding::text() const {
  return "kernel " + kernel + ", block " + triple(block) + ", thread " + triple(thread) + ": " +
         name(kind) + ": " + message;
}

}  // namespace striate::emulator
