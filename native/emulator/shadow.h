// What the emulator knows of every four bytes of device memory: whether they were written, by whom, and
// who has read them since. From that it finds races, uninitialised reads and wrong orders.
//
// Four bytes are one cell. An access of fewer bytes splits its cell into four, so that two threads may
// write neighbouring bytes, as CUDA lets them.
#pragma once
#include <array>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <unordered_map>
#include <vector>

namespace striate::emulator {

// Who accesses, and when: enough to decide whether two accesses are ordered.
struct Accessor {
  std::uint32_t launch = 0;  // serial number of the kernel launch; 0: host or copy
  std::uint32_t block = 0;   // linear block index
  std::uint16_t warp = 0;    // within the block
  std::uint16_t lane = 0;
  std::uint32_t epoch = 0;  // barriers of the block passed so far
  std::uint32_t clock = 0;  // __syncwarp calls of this lane so far
  // For each lane of the warp: the clock that it had when it last synchronised with this lane.
  const std::uint32_t* seen = nullptr;
};

struct Cell {
  std::uint32_t writeLaunch = 0;
  std::uint32_t writeBlock = 0;
  std::uint16_t writeWarp = 0;
  std::uint8_t writeLane = 0;
  std::uint8_t written = 0;  // bit b: byte b holds a value; bit 7: split into bytes
  std::uint32_t writeEpoch = 0;
  std::uint32_t writeClock = 0;
  std::uint32_t readLaunch = 0;
  std::uint32_t readBlock = 0;
  std::uint32_t readLanes = 0;  // lanes of `readWarp` that read; meaningless when `manyWarps`
  std::uint16_t readWarp = 0;
  std::uint8_t manyWarps = 0;   // readers of more than one warp of one block
  std::uint8_t manyBlocks = 0;  // readers of more than one block
  std::uint32_t readEpoch = 0;
  std::uint32_t readClock = 0;
  std::uint8_t atomic = 0;  // the last write was atomic
};

enum class Conflict { None, Uninitialised, ReadAfterWrite, WriteAfterWrite, WriteAfterRead };

// The cells of one range of memory.
class Shadow {
 public:
  explicit Shadow(std::uint64_t bytes);

  // Accesses [offset, offset + bytes), updates the cells and says what is wrong; `other` is then the
  // accessor on the other side.
  Conflict read(std::uint64_t offset, std::uint32_t bytes, const Accessor& who, Accessor& other);
  Conflict write(std::uint64_t offset, std::uint32_t bytes, const Accessor& who, Accessor& other,
                 bool atomic);

  // Marks bytes as holding values (a copy, a memset) or as dead.
  void define(std::uint64_t offset, std::uint64_t bytes);
  void poison(std::uint64_t offset, std::uint64_t bytes);
  // Whether every byte holds a value.
  bool defined(std::uint64_t offset, std::uint64_t bytes) const;

 private:
  template <class F>
  Conflict forEachCell(std::uint64_t offset, std::uint32_t bytes, F&& f);
  template <class Whole, class Bytes>
  void forEachRange(std::uint64_t offset, std::uint64_t bytes, Whole&& whole, Bytes&& part) const;
  void assign(std::uint64_t offset, std::uint64_t bytes, const Cell& value);
  std::array<Cell, 4>& split(std::uint64_t cell);

  struct Free {
    void operator()(Cell* cells) const { std::free(cells); }
  };
  // From calloc: pages that no kernel touches cost nothing.
  std::unique_ptr<Cell[], Free> cells_;
  std::unordered_map<std::uint64_t, std::array<Cell, 4>> bytes_;
  static constexpr std::uint64_t kChunk = 4096;  // cells
  std::vector<std::uint8_t> touched_;  // by chunk: whether any cell may differ from the initial one
};

}  // namespace striate::emulator
