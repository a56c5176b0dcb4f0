// The account of a device's memory: live bytes and blocks by category, the peak, the limit.
#pragma once
#include <cstddef>
#include <map>
#include <mutex>
#include <string>

namespace striate {

class MemoryAccount {
 public:
  struct Entry {
    std::size_t bytes = 0;
    std::size_t blocks = 0;
  };
  struct Report {
    std::map<std::string, Entry> categories;
    std::size_t allocated = 0, peak = 0, blocks = 0, limit = 0;
  };

  explicit MemoryAccount(std::size_t limit) : limit_(limit) {}  // 0: no limit

  // False when the limit does not allow it; nothing is counted then.
  bool add(const std::string& category, std::size_t bytes);
  void remove(const std::string& category, std::size_t bytes) noexcept;
  Report report() const;

 private:
  mutable std::mutex mutex_;
  std::map<std::string, Entry> categories_;
  std::size_t allocated_ = 0, peak_ = 0, blocks_ = 0;
  const std::size_t limit_;
};

// Host memory, zeroed and aligned to 64 bytes; large blocks are mapped from the operating system and
// take no physical memory before they are touched. nullptr when there is none.
void* allocateHostMemory(std::size_t bytes);
void releaseHostMemory(void* data, std::size_t bytes) noexcept;

}  // namespace striate
