// What stands behind a device: memory, copies, ops. The runtime above it owns the order of work, the
// accounts and the programs; a device only does as it is told.
//
// A device that lives in a library of its own (CUDA) is opened through a versioned C interface by one
// adapter that implements this class: statuses become `Error` there, and no exception, no STL type and
// no JavaScript value crosses the library's border.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "ops/registry.h"
#include "ops/view.h"

namespace striate {

struct DeviceInfo {
  std::string kind;  // "cpu", "cuda:0"
  std::string name;  // the processor's own name
  int threads = 0;
  std::string instructionSet;  // or the card's architecture: "sm_80"
  std::string details;         // versions of what the device is made of
  // Memory that the device holds for itself (thread scratch), counted with the rest.
  std::size_t ownBytes = 0;
  // The host reads and writes device memory directly: copies need no detour while the queue is idle.
  bool hostMemory = false;
};

// Slabs, arenas and staging slots live long; eager tensors come and go.
enum class MemoryKind { Planned, Eager };

// What a run brings back to the host.
struct Readback {
  void* to;
  const void* from;
  std::size_t bytes;
};

// One run of a program. Runs that agree in `owner`, `n`, `slot`, `begin`, `end` and in what they read back
// issue the same work: a device may record it once and replay it.
struct Sequence {
  std::uint64_t owner = 0;  // the program, by a number of its own
  std::int64_t n = 0;
  int slot = 0;
  std::size_t begin = 0, end = 0;  // instructions
  const void* slotData = nullptr;  // memory of the staging slot, where there is one
  double* times = nullptr;         // nanoseconds by instruction, when they are asked for
  std::vector<Readback> readbacks;
};

// Calls `execute` for one instruction.
using Issue = std::function<void(std::size_t)>;

class Device {
 public:
  virtual ~Device() = default;
  virtual const DeviceInfo& info() const = 0;

  // From any thread. Memory is zeroed and aligned to 64 bytes; nullptr when there is none left.
  virtual void* allocate(std::size_t bytes, MemoryKind kind) = 0;
  virtual void release(void* data, std::size_t bytes) noexcept = 0;
  // The driver's own count, where there is one.
  struct Room {
    std::size_t free, total;
  };
  virtual std::optional<Room> room() { return std::nullopt; }

  // Memory that `stage` will write to.
  virtual void prepareStaging(void*, std::size_t) {}
  // Copies a batch into a staging slot that no queued work uses. From any thread, beside running work.
  virtual void stage(void* to, const void* from, std::size_t bytes) = 0;

  // From the queue thread, or while the queue is idle. In the order of the calls; failures are `Error`.
  virtual void upload(void* to, const void* from, std::size_t bytes) = 0;
  virtual void download(void* to, const void* from, std::size_t bytes) = 0;
  virtual void fill(void* to, int value, std::size_t bytes) = 0;

  // What this device asks of an instruction beyond the op's own rules; throws. From any thread.
  virtual void check(const OpEntry&, const void*, const View*) {}

  // From the queue thread. `setControl` comes before the instructions that read it, `control` waits for
  // them and gives the block back as they left it. `label` names layer and op; it may be null.
  virtual void setControl(const Control& control) = 0;
  virtual Control control() = 0;
  virtual void execute(const OpEntry& op, const void* attributes, const View* views,
                       const char* label) = 0;
  virtual void synchronize() = 0;

  // From the queue thread: one run, to its end. Gives the control block back as the instructions left it.
  // This one issues every instruction each time.
  virtual Control run(const Sequence& sequence, const Control& control, const Issue& issue);
  // The program `owner` is gone. From any thread, while none of its runs is queued.
  virtual void forget(std::uint64_t) noexcept {}
};

}  // namespace striate
