// A block of device memory, and the open device that owns it.
#pragma once
#include <atomic>
#include <cstddef>
#include <memory>
#include <string>
#include <unordered_set>

#include "runtime/device.h"
#include "runtime/memory.h"
#include "runtime/queue.h"

namespace striate {

// Belongs to its device: freed by `dispose`, or with the device. Who holds a shared_ptr holds the
// record, not the memory.
struct Block {
  char* data = nullptr;
  std::size_t bytes = 0;
  std::string category;
  // Nothing new may be queued on it; the memory goes when what was queued before has run.
  std::atomic<bool> disposed{false};
  // Queued or running steps that read it as their staging slot.
  std::atomic<int> uses{0};
};

// A device with its queue and its account. All methods are called from one thread, the one that
// opened it; only what `queue` runs is elsewhere.
class OpenDevice {
 public:
  OpenDevice(std::unique_ptr<Device> device, std::size_t memoryLimit);
  ~OpenDevice();

  // Throws DISPOSED when closed.
  Device& device();
  // For work that was queued while the device was open.
  Device& running() { return *device_; }
  WorkQueue& queue() { return queue_; }
  const MemoryAccount& memory() const { return account_; }
  bool closed() const { return closed_; }

  // Throws OUT_OF_DEVICE_MEMORY. Waits for queued work when only that holds the memory back.
  std::shared_ptr<Block> allocate(std::size_t bytes, const std::string& category);
  void dispose(const std::shared_ptr<Block>& block);

  // A program is gone; harmless once the device is.
  void forget(std::uint64_t program) noexcept;

  // Closing: no new work from here on, what was queued still runs; then, as the queue's last task, the
  // memory goes.
  void refuse() { closed_ = true; }
  void releaseAll() noexcept;

  // Ends the queue and frees everything. Queued work that has not begun is dropped. Twice is harmless.
  void shutDown() noexcept;

 private:
  struct Release;
  void* take(std::size_t bytes, const std::string& category);

  std::unique_ptr<Device> device_;
  MemoryAccount account_;
  std::unordered_set<std::shared_ptr<Block>> blocks_;
  bool closed_ = false;
  WorkQueue queue_;  // last: its thread ends before what it works on
};

}  // namespace striate
