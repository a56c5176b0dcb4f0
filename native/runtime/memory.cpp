#include "runtime/memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>

namespace striate {

bool MemoryAccount::add(const std::string& category, std::size_t bytes) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (limit_ != 0 && (bytes > limit_ || allocated_ > limit_ - bytes)) return false;
  Entry& entry = categories_[category];
  entry.bytes += bytes;
  entry.blocks += 1;
  allocated_ += bytes;
  blocks_ += 1;
  if (allocated_ > peak_) peak_ = allocated_;
  return true;
}

void MemoryAccount::remove(const std::string& category, std::size_t bytes) noexcept {
  std::lock_guard<std::mutex> lock(mutex_);
  const auto entry = categories_.find(category);
  if (entry == categories_.end()) return;
  entry->second.bytes -= bytes;
  entry->second.blocks -= 1;
  if (entry->second.blocks == 0) categories_.erase(entry);
  allocated_ -= bytes;
  blocks_ -= 1;
}

MemoryAccount::Report MemoryAccount::report() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return {categories_, allocated_, peak_, blocks_, limit_};
}

namespace {

constexpr std::size_t kAlignment = 64;
// From here on a block is a mapping of its own: zeroed by the operating system, returned to it at once.
constexpr std::size_t kMapped = std::size_t(1) << 17;
// From here on it begins on a huge page, and asks for them: fewer misses in the address translation.
constexpr std::size_t kHuge = std::size_t(8) << 20;
constexpr std::size_t kHugePage = std::size_t(2) << 20;

std::size_t roundUp(std::size_t n, std::size_t unit) { return (n + unit - 1) / unit * unit; }

// Whole pages of the operating system.
std::size_t pages(std::size_t bytes) {
  static const std::size_t page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  return roundUp(bytes, page);
}

void* map(std::size_t bytes) {
  void* data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return data == MAP_FAILED ? nullptr : data;
}

void* mapHuge(std::size_t bytes) {
  char* data = static_cast<char*>(map(bytes + kHugePage));
  if (data == nullptr) return nullptr;
  const std::size_t skip = roundUp(reinterpret_cast<std::uintptr_t>(data), kHugePage) -
                           reinterpret_cast<std::uintptr_t>(data);
  if (skip > 0) munmap(data, skip);
  munmap(data + skip + bytes, kHugePage - skip);
#if defined(MADV_HUGEPAGE)
  madvise(data + skip, bytes / kHugePage * kHugePage, MADV_HUGEPAGE);
#endif
  return data + skip;
}

}  // namespace

void* allocateHostMemory(std::size_t bytes) {
  if (bytes > SIZE_MAX / 2) return nullptr;
  if (bytes >= kHuge) return mapHuge(pages(bytes));
  if (bytes >= kMapped) return map(pages(bytes));
  const std::size_t size = roundUp(bytes == 0 ? 1 : bytes, kAlignment);
  void* data = std::aligned_alloc(kAlignment, size);
  if (data != nullptr) std::memset(data, 0, size);
  return data;
}

void releaseHostMemory(void* data, std::size_t bytes) noexcept {
  if (data == nullptr) return;
  if (bytes >= kMapped)
    munmap(data, pages(bytes));
  else
    std::free(data);
}

}  // namespace striate
