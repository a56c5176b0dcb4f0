#include "emulator/shadow.h"

#include <algorithm>
#include <new>

namespace striate::emulator {

namespace {

constexpr std::uint8_t kSplit = 0x80;
constexpr std::uint8_t kAll = 0x0f;

// Whether what a lane of (block, warp) did at (epoch, clock) of this launch happens before `who` acts.
bool ordered(const Accessor& who, std::uint32_t launch, std::uint32_t block, std::uint16_t warp,
             std::uint8_t lane, std::uint32_t epoch, std::uint32_t clock) {
  if (launch != who.launch) return true;  // streams order launches; that is checked elsewhere
  if (block != who.block) return false;
  if (warp == who.warp && lane == who.lane) return true;
  if (epoch < who.epoch) return true;
  return warp == who.warp && who.seen != nullptr && who.seen[lane] > clock;
}

Accessor writerOf(const Cell& c) {
  Accessor a;
  a.launch = c.writeLaunch;
  a.block = c.writeBlock;
  a.warp = c.writeWarp;
  a.lane = c.writeLane;
  return a;
}

Accessor readerOf(const Cell& c, std::uint32_t lanes) {
  Accessor a;
  a.launch = c.readLaunch;
  a.block = c.readBlock;
  a.warp = c.readWarp;
  a.lane = lanes == 0 ? 0 : static_cast<std::uint16_t>(__builtin_ctz(lanes));
  return a;
}

void rememberReader(Cell& c, const Accessor& who) {
  if (c.readLaunch != who.launch) {
    c.readLaunch = who.launch;
    c.readBlock = who.block;
    c.readWarp = who.warp;
    c.readLanes = 0;
    c.manyWarps = c.manyBlocks = 0;
    c.readEpoch = c.readClock = 0;
  }
  if (c.readBlock != who.block) c.manyBlocks = 1;
  // A barrier orders the readers before it: only those of the latest epoch can conflict.
  if (who.epoch > c.readEpoch && !c.manyBlocks) {
    c.readEpoch = who.epoch;
    c.readWarp = who.warp;
    c.readLanes = 0;
    c.manyWarps = 0;
    c.readClock = 0;
  }
  if (c.readWarp != who.warp) c.manyWarps = 1;
  c.readLanes |= 1u << who.lane;
  c.readClock = std::max(c.readClock, who.clock);
}

Conflict readCell(Cell& c, const Accessor& who, std::uint8_t mask, Accessor& other) {
  if ((c.written & mask) != mask) return Conflict::Uninitialised;
  if (!ordered(who, c.writeLaunch, c.writeBlock, c.writeWarp, c.writeLane, c.writeEpoch,
               c.writeClock)) {
    other = writerOf(c);
    return Conflict::ReadAfterWrite;
  }
  rememberReader(c, who);
  return Conflict::None;
}

bool readersOrdered(const Cell& c, const Accessor& who, Accessor& other) {
  if (c.readLaunch != who.launch || c.readLanes == 0) return true;
  other = readerOf(c, c.readLanes);
  if (c.manyBlocks || c.readBlock != who.block) return false;
  if (c.readEpoch < who.epoch) return true;
  if (c.manyWarps || c.readWarp != who.warp) return false;
  for (std::uint32_t lanes = c.readLanes & ~(1u << who.lane); lanes != 0; lanes &= lanes - 1) {
    const int lane = __builtin_ctz(lanes);
    if (who.seen == nullptr || who.seen[lane] <= c.readClock) {
      other.lane = static_cast<std::uint16_t>(lane);
      return false;
    }
  }
  return true;
}

Conflict writeCell(Cell& c, const Accessor& who, std::uint8_t mask, bool atomic, Accessor& other) {
  const bool bothAtomic = atomic && c.atomic && c.writeLaunch == who.launch;
  if (!bothAtomic && (c.written & kAll) != 0 &&
      !ordered(who, c.writeLaunch, c.writeBlock, c.writeWarp, c.writeLane, c.writeEpoch,
               c.writeClock)) {
    other = writerOf(c);
    return Conflict::WriteAfterWrite;
  }
  if (!bothAtomic && !readersOrdered(c, who, other)) return Conflict::WriteAfterRead;
  c.writeLaunch = who.launch;
  c.writeBlock = who.block;
  c.writeWarp = who.warp;
  c.writeLane = static_cast<std::uint8_t>(who.lane);
  c.writeEpoch = who.epoch;
  c.writeClock = who.clock;
  c.written |= mask;
  c.atomic = atomic ? 1 : 0;
  c.readLanes = 0;
  c.readLaunch = 0;
  return Conflict::None;
}

}  // namespace

Shadow::Shadow(std::uint64_t bytes)
    : cells_(static_cast<Cell*>(std::calloc((bytes + 3) / 4, sizeof(Cell)))),
      touched_((bytes + 3) / 4 / kChunk + 1, 0) {
  if (cells_ == nullptr) throw std::bad_alloc();
}

std::array<Cell, 4>& Shadow::split(std::uint64_t cell) {
  Cell& whole = cells_[cell];
  auto& bytes = bytes_[cell];
  if ((whole.written & kSplit) == 0) {
    for (int b = 0; b < 4; ++b) {
      bytes[b] = whole;
      bytes[b].written = (whole.written >> b) & 1 ? kAll : 0;
    }
    whole.written = kSplit;
  }
  return bytes;
}

template <class F>
Conflict Shadow::forEachCell(std::uint64_t offset, std::uint32_t bytes, F&& f) {
  const std::uint64_t end = offset + bytes;
  for (std::uint64_t cell = offset / 4; cell * 4 < end; ++cell) {
    touched_[cell / kChunk] = 1;
    const std::uint64_t first = std::max(offset, cell * 4) - cell * 4;
    const std::uint64_t last = std::min(end, cell * 4 + 4) - cell * 4;
    if (last - first == 4 && (cells_[cell].written & kSplit) == 0) {
      if (const Conflict c = f(cells_[cell], kAll); c != Conflict::None) return c;
      continue;
    }
    auto& parts = split(cell);
    for (std::uint64_t b = first; b < last; ++b)
      if (const Conflict c = f(parts[b], kAll); c != Conflict::None) return c;
  }
  return Conflict::None;
}

Conflict Shadow::read(std::uint64_t offset, std::uint32_t bytes, const Accessor& who,
                      Accessor& other) {
  return forEachCell(offset, bytes,
                     [&](Cell& c, std::uint8_t mask) { return readCell(c, who, mask, other); });
}

Conflict Shadow::write(std::uint64_t offset, std::uint32_t bytes, const Accessor& who,
                       Accessor& other, bool atomic) {
  return forEachCell(offset, bytes, [&](Cell& c, std::uint8_t mask) {
    return writeCell(c, who, mask, atomic, other);
  });
}

// Calls whole(cell) for the cells that lie in the range as a whole, bytes(cell, first, last) for the others.
template <class Whole, class Bytes>
void Shadow::forEachRange(std::uint64_t offset, std::uint64_t bytes, Whole&& whole,
                          Bytes&& part) const {
  const std::uint64_t end = offset + bytes;
  for (std::uint64_t cell = offset / 4; cell * 4 < end; ++cell) {
    const std::uint64_t first = std::max(offset, cell * 4) - cell * 4,
                        last = std::min(end, cell * 4 + 4) - cell * 4;
    if (last - first == 4)
      whole(cell);
    else
      part(cell, first, last);
  }
}

void Shadow::define(std::uint64_t offset, std::uint64_t bytes) {
  Cell value;
  value.written = kAll;
  assign(offset, bytes, value);
}

void Shadow::poison(std::uint64_t offset, std::uint64_t bytes) {
  // Chunks that nobody touched hold no value already.
  const std::uint64_t end = offset + bytes;
  constexpr std::uint64_t kChunkBytes = kChunk * 4;
  for (std::uint64_t chunk = offset / kChunkBytes; chunk * kChunkBytes < end; ++chunk) {
    if (touched_[chunk] == 0) continue;
    const std::uint64_t first = std::max(offset, chunk * kChunkBytes),
                        last = std::min(end, (chunk + 1) * kChunkBytes);
    assign(first, last - first, Cell{});
    if (last - first == kChunkBytes) touched_[chunk] = 0;
  }
}

void Shadow::assign(std::uint64_t offset, std::uint64_t bytes, const Cell& value) {
  forEachRange(
      offset, bytes,
      [&](std::uint64_t cell) {
        touched_[cell / kChunk] = 1;
        if (cells_[cell].written & kSplit) bytes_.erase(cell);
        cells_[cell] = value;
      },
      [&](std::uint64_t cell, std::uint64_t first, std::uint64_t last) {
        touched_[cell / kChunk] = 1;
        auto& parts = split(cell);
        for (std::uint64_t b = first; b < last; ++b) parts[b] = value;
      });
}

bool Shadow::defined(std::uint64_t offset, std::uint64_t bytes) const {
  bool all = true;
  const auto holds = [&](std::uint64_t cell, std::uint64_t first, std::uint64_t last) {
    const Cell& c = cells_[cell];
    const auto parts = c.written & kSplit ? bytes_.find(cell) : bytes_.end();
    for (std::uint64_t b = first; b < last; ++b)
      all = all && (c.written & kSplit ? parts != bytes_.end() && parts->second[b].written != 0
                                       : ((c.written >> b) & 1) != 0);
  };
  forEachRange(
      offset, bytes,
      [&](std::uint64_t cell) {
        if ((cells_[cell].written & (kSplit | kAll)) != kAll) holds(cell, 0, 4);
      },
      holds);
  return all;
}

}  // namespace striate::emulator
