// What stands behind a device: memory, copies, ops. The runtime above it owns the order of work, the
// accounts and the programs; a device only does as it is told.
//
// A device that lives in a library of its own (CUDA) is opened through a versioned C interface by one
// adapter that implements this class: statuses become `Error` there, and no exception, no STL type and
// no JavaScript value crosses the library's border.
#pragma once
#include <cstddef>
#include <string>

#include "ops/registry.h"
#include "ops/view.h"

namespace striate {

struct DeviceInfo {
  std::string kind;  // "cpu"
  std::string name;  // the processor's own name
  int threads = 0;
  std::string instructionSet;
  // Memory that the device holds for itself (thread scratch), counted with the rest.
  std::size_t ownBytes = 0;
  // The host reads and writes device memory directly: copies need no detour while the queue is idle.
  bool hostMemory = false;
};

class Device {
 public:
  virtual ~Device() = default;
  virtual const DeviceInfo& info() const = 0;

  // From any thread. Memory is zeroed and aligned to 64 bytes; nullptr when there is none left.
  virtual void* allocate(std::size_t bytes) = 0;
  virtual void release(void* data, std::size_t bytes) noexcept = 0;

  // Copies a batch into a staging slot that no queued work uses. From any thread, beside running work.
  virtual void stage(void* to, const void* from, std::size_t bytes) = 0;

  // From the queue thread, or while the queue is idle. In the order of the calls; failures are `Error`.
  virtual void upload(void* to, const void* from, std::size_t bytes) = 0;
  virtual void download(void* to, const void* from, std::size_t bytes) = 0;
  virtual void fill(void* to, int value, std::size_t bytes) = 0;

  // From the queue thread. `setControl` comes before the instructions that read it, `control` waits for
  // them and gives the block back as they left it.
  virtual void setControl(const Control& control) = 0;
  virtual Control control() = 0;
  virtual void execute(const OpEntry& op, const void* attributes, const View* views) = 0;
  virtual void synchronize() = 0;
};

}  // namespace striate
