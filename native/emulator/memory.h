// The emulated card's memory. Device pointers lie in a range of addresses that the host may not touch:
// a host access faults at once, as it should. The bytes themselves live elsewhere; kernels and copies
// reach them through `resolve`.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "emulator/shadow.h"

namespace striate::emulator {

struct Allocation {
  std::uintptr_t base = 0;
  std::uint64_t bytes = 0;
  std::unique_ptr<char[]> data;
  std::unique_ptr<Shadow> shadow;
  bool freed = false;

  std::uint64_t offset(const void* p) const { return reinterpret_cast<std::uintptr_t>(p) - base; }
};

class DeviceMemory {
 public:
  explicit DeviceMemory(std::uint64_t capacity);
  ~DeviceMemory();

  // Aligned to 256 bytes, as cudaMalloc promises; null when the card is full.
  void* allocate(std::uint64_t bytes);
  // False when `p` is not the start of a live allocation.
  bool free(void* p);

  // The allocation that holds [p, p + bytes), or null; a freed one is still found, and says so.
  Allocation* find(const void* p);
  bool isDevicePointer(const void* p) const;

  std::uint64_t capacity() const { return capacity_; }
  void setCapacity(std::uint64_t bytes) { capacity_ = bytes; }
  std::uint64_t used() const { return used_; }
  std::uint64_t blocks() const { return live_; }

 private:
  std::uint64_t capacity_;
  std::uint64_t used_ = 0;
  std::uint64_t live_ = 0;
  std::uintptr_t rangeBase_ = 0;
  std::uintptr_t next_ = 0;
  std::map<std::uintptr_t, std::unique_ptr<Allocation>> allocations_;  // by base
  Allocation* last_ = nullptr;                                         // of the latest find
};

}  // namespace striate::emulator
