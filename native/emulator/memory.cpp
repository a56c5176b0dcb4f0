#include "emulator/memory.h"

#include <sys/mman.h>

#include <new>

namespace striate::emulator {

namespace {
constexpr std::uint64_t kRange = std::uint64_t(1) << 38;
constexpr std::uint64_t kAlignment = 256;
constexpr std::uint64_t kGuard = 4096;  // addresses between allocations that belong to nobody
}  // namespace

DeviceMemory::DeviceMemory(std::uint64_t capacity) : capacity_(capacity) {
  void* range =
      mmap(nullptr, kRange, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (range == MAP_FAILED) throw std::bad_alloc();
  rangeBase_ = next_ = reinterpret_cast<std::uintptr_t>(range);
}

DeviceMemory::~DeviceMemory() { munmap(reinterpret_cast<void*>(rangeBase_), kRange); }

void* DeviceMemory::allocate(std::uint64_t bytes) {
  if (bytes == 0 || bytes > capacity_ - used_) return nullptr;
  const std::uint64_t rounded = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  if (next_ + rounded + kGuard > rangeBase_ + kRange) return nullptr;
  auto allocation = std::make_unique<Allocation>();
  allocation->base = next_;
  allocation->bytes = bytes;
  allocation->data.reset(new (std::nothrow) char[bytes]);
  if (!allocation->data) return nullptr;
  allocation->shadow = std::make_unique<Shadow>(bytes);
  next_ += rounded + kGuard;
  used_ += bytes;
  ++live_;
  void* p = reinterpret_cast<void*>(allocation->base);
  allocations_[allocation->base] = std::move(allocation);
  return p;
}

bool DeviceMemory::free(void* p) {
  const auto found = allocations_.find(reinterpret_cast<std::uintptr_t>(p));
  if (found == allocations_.end() || found->second->freed) return false;
  Allocation& a = *found->second;
  a.freed = true;  // the addresses are never given out again, so that a late use is recognised
  a.data.reset();
  a.shadow.reset();
  used_ -= a.bytes;
  --live_;
  return true;
}

Allocation* DeviceMemory::find(const void* p) {
  const auto address = reinterpret_cast<std::uintptr_t>(p);
  if (last_ != nullptr && address >= last_->base && address < last_->base + last_->bytes)
    return last_;
  auto after = allocations_.upper_bound(address);
  if (after == allocations_.begin()) return nullptr;
  Allocation* a = std::prev(after)->second.get();
  if (address >= a->base + a->bytes) return nullptr;
  return last_ = a;
}

bool DeviceMemory::isDevicePointer(const void* p) const {
  const auto address = reinterpret_cast<std::uintptr_t>(p);
  return address >= rangeBase_ && address < rangeBase_ + kRange;
}

}  // namespace striate::emulator
