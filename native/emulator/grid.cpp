#include "emulator/grid.h"

#include <algorithm>
#include <cstring>
#include <exception>
#include <numeric>
#include <unordered_map>
#include <unordered_set>

#include "emulator/card.h"
#include "emulator/fiber.h"
#include "emulator/thread.h"

namespace striate::emulator {

namespace {

constexpr std::uint32_t kWarp = 32;
constexpr std::uint32_t kFull = 0xffffffffu;
constexpr std::uint64_t kSector = 32;

// One global or shared access of one thread, kept while counting.
struct AccessRecord {
  const void* site;
  std::uintptr_t address;
  std::uint32_t bytes;
  bool shared;
  Space space;
};

using Sectors = std::unordered_set<std::uint64_t>;

// What a launch reads and writes.
struct Footprint {
  Sectors reads, writes;
};

enum class Status { Ready, AtBarrier, AtWarpSync, AtExchange, Exited };

class Block;

struct Lane {
  Block* block = nullptr;
  ThreadIndices indices;
  Status status = Status::Ready;
  std::uint32_t linear = 0;
  std::uint16_t warp = 0;
  std::uint32_t mask = 0;
  WarpOp op = WarpOp::Shuffle;
  std::uint64_t value = 0;
  std::uint64_t received[kWarp] = {};
  std::uint32_t epoch = 0;
  std::uint32_t clock = 0;
  std::uint32_t seen[kWarp] = {};
  std::unique_ptr<Fiber> fiber;
  std::vector<AccessRecord> records;

  Accessor accessor(std::uint32_t launch, std::uint32_t blockLinear) const {
    Accessor a;
    a.launch = launch;
    a.block = blockLinear;
    a.warp = warp;
    a.lane = static_cast<std::uint16_t>(indices.lane);
    a.epoch = epoch;
    a.clock = clock;
    a.seen = seen;
    return a;
  }
};

thread_local Lane* current = nullptr;

// Stacks are made once and kept: a kernel that never waits needs a single one.
thread_local std::vector<std::unique_ptr<Fiber>> spareFibers;

std::unique_ptr<Fiber> takeFiber() {
  if (spareFibers.empty()) return std::make_unique<Fiber>();
  auto fiber = std::move(spareFibers.back());
  spareFibers.pop_back();
  return fiber;
}

struct SharedPiece {
  const void* site;
  std::uint64_t offset;
};

struct Grid {
  const Launch& launch;
  Schedule schedule;
  LaunchCount* count;
  std::uint32_t serial;
  Footprint* footprint;  // while counting
};

class Block {
 public:
  Block(const Grid& grid, std::uint64_t linear)
      : grid_(grid), linear_(static_cast<std::uint32_t>(linear)) {
    const Extent3 g = grid.launch.grid, b = grid.launch.block;
    const Extent3 at{static_cast<std::uint32_t>(linear % g.x),
                     static_cast<std::uint32_t>(linear / g.x % g.y),
                     static_cast<std::uint32_t>(linear / g.x / g.y)};
    lanes_.resize(b.count());
    for (std::uint32_t t = 0; t < lanes_.size(); ++t) {
      Lane& lane = lanes_[t];
      lane.block = this;
      lane.linear = t;
      lane.warp = static_cast<std::uint16_t>(t / kWarp);
      lane.indices = {{t % b.x, t / b.x % b.y, t / b.x / b.y}, at, b, g, t % kWarp};
    }
    dynamicBytes_ = grid.launch.dynamicShared;
    sharedUsed_ = (dynamicBytes_ + 127) / 128 * 128;
  }

  void run() {
    std::vector<std::uint32_t> order(lanes_.size());
    std::iota(order.begin(), order.end(), 0u);
    std::uint64_t random = grid_.schedule.seed * 0x9e3779b97f4a7c15ull + linear_;
    for (;;) {
      arrange(order, random);
      bool progress = false;
      for (const std::uint32_t t : order) {
        if (lanes_[t].status != Status::Ready) continue;
        progress = true;
        advance(lanes_[t]);
      }
      if (exited_ == lanes_.size()) break;
      if (releaseWarps()) continue;
      if (releaseBarrier()) continue;
      if (!progress) reportStuck();
    }
    if (grid_.count != nullptr) countBlock();
  }

  [[noreturn]] void fail(const Lane& lane, FindingKind kind, const std::string& message) const {
    throw FindingError{
        {kind, grid_.launch.kernel, lane.indices.blockIdx, lane.indices.threadIdx, message}};
  }

  void* shared(const void* site, std::size_t bytes, std::size_t alignment) {
    for (const SharedPiece& piece : pieces_)
      if (piece.site == site) return sharedAddress(piece.offset);
    const std::uint64_t offset = (sharedUsed_ + alignment - 1) / alignment * alignment;
    if (offset + bytes - dynamicBytes_ > kStaticSharedLimit + 128)
      fail(*current, FindingKind::LimitExceeded,
           "static shared memory of " + std::to_string(offset + bytes) +
               " bytes; the limit is 49152");
    if (offset + bytes > kSharedArena)
      fail(*current, FindingKind::LimitExceeded,
           "shared memory of " + std::to_string(offset + bytes) + " bytes");
    pieces_.push_back({site, offset});
    sharedUsed_ = offset + bytes;
    return sharedAddress(offset);
  }

  void* dynamicShared() const { return sharedAddress(0); }

  void* touch(Lane& lane, const void* p, std::size_t bytes, std::size_t alignment, Space space,
              const void* site) {
    if (reinterpret_cast<std::uintptr_t>(p) % alignment != 0)
      fail(lane, FindingKind::Misaligned,
           std::to_string(bytes) + " bytes at an address that is not a multiple of " +
               std::to_string(alignment));
    const auto address = reinterpret_cast<std::uintptr_t>(p);
    const auto arena = reinterpret_cast<std::uintptr_t>(sharedArena().data.get());
    const bool isShared = address >= arena && address < arena + kSharedArena;
    if (grid_.count != nullptr)
      lane.records.push_back({site, address, static_cast<std::uint32_t>(bytes), isShared, space});
    return isShared ? touchShared(lane, address - arena, bytes, space)
                    : touchGlobal(lane, p, bytes, space);
  }

  std::uint32_t barriers() const { return barriers_; }

 private:
  static constexpr std::uint64_t kSharedArena =
      232448;  // 227 KB: the most that any architecture gives a block
  static constexpr std::uint64_t kStaticSharedLimit = 49152;

  struct SharedArena {
    std::unique_ptr<char[]> data{new char[kSharedArena]};
    Shadow shadow{kSharedArena};
    std::uint64_t dirty = 0;
  };
  static SharedArena& sharedArena() {
    static thread_local SharedArena arena;
    return arena;
  }
  static void* sharedAddress(std::uint64_t offset) { return sharedArena().data.get() + offset; }

  void arrange(std::vector<std::uint32_t>& order, std::uint64_t& random) const {
    switch (grid_.schedule.order) {
      case Schedule::Order::Forward:
        return;
      case Schedule::Order::Reverse:
        if (order.front() == 0) std::reverse(order.begin(), order.end());
        return;
      case Schedule::Order::Shuffled:
        for (std::size_t i = order.size(); i > 1; --i) {
          random = random * 6364136223846793005ull + 1442695040888963407ull;
          std::swap(order[i - 1], order[(random >> 33) % i]);
        }
    }
  }

  // Runs a thread until it waits or ends.
  void advance(Lane& lane) {
    if (!lane.fiber) {
      lane.fiber = takeFiber();
      lane.fiber->start(&Block::enter, &lane);
    }
    current = &lane;
    lane.fiber->resume();
    current = nullptr;
    if (!lane.fiber->done()) return;
    spareFibers.push_back(std::move(lane.fiber));
    lane.status = Status::Exited;
    ++exited_;
    if (error_) std::rethrow_exception(error_);
  }

  static void enter(void* argument) {
    Lane& lane = *static_cast<Lane*>(argument);
    Block& block = *lane.block;
    try {
      block.grid_.launch.body();
    } catch (...) {
      block.error_ = std::current_exception();
    }
  }

  std::uint32_t lanesOfWarp(std::uint16_t warp) const {
    const std::size_t first = std::size_t(warp) * kWarp;
    const std::size_t n = std::min<std::size_t>(kWarp, lanes_.size() - first);
    return n == kWarp ? kFull : (1u << n) - 1;
  }

  // Completes the warp operations whose lanes have all arrived.
  bool releaseWarps() {
    bool released = false;
    for (Lane& lane : lanes_) {
      if (lane.status != Status::AtWarpSync && lane.status != Status::AtExchange) continue;
      if (arrived(lane)) {
        complete(lane);
        released = true;
      }
    }
    return released;
  }

  bool arrived(const Lane& lane) const {
    for (std::uint32_t rest = lane.mask; rest != 0; rest &= rest - 1) {
      const Lane& peer = lanes_[lane.warp * kWarp + __builtin_ctz(rest)];
      if (peer.status == Status::Exited)
        fail(lane, FindingKind::PartialMask,
             "lane " + std::to_string(peer.indices.lane) + " of the mask has left the kernel");
      if (peer.status != lane.status || (peer.status == Status::AtExchange && peer.op != lane.op))
        return false;
      if (peer.mask != lane.mask)
        fail(lane, FindingKind::PartialMask, "lanes of one operation name different masks");
    }
    return true;
  }

  void complete(const Lane& first) {
    const std::uint32_t mask = first.mask;
    const bool orders = first.status == Status::AtWarpSync;
    Lane* const warp = &lanes_[first.warp * kWarp];
    for (std::uint32_t rest = mask; rest != 0; rest &= rest - 1) {
      Lane& lane = warp[__builtin_ctz(rest)];
      if (orders) {
        ++lane.clock;
      } else {
        for (std::uint32_t from = mask; from != 0; from &= from - 1)
          lane.received[__builtin_ctz(from)] = warp[__builtin_ctz(from)].value;
      }
    }
    for (std::uint32_t rest = mask; rest != 0; rest &= rest - 1) {
      Lane& lane = warp[__builtin_ctz(rest)];
      if (orders)
        for (std::uint32_t from = mask; from != 0; from &= from - 1)
          lane.seen[__builtin_ctz(from)] = warp[__builtin_ctz(from)].clock;
      lane.status = Status::Ready;
    }
  }

  bool releaseBarrier() {
    for (const Lane& lane : lanes_)
      if (lane.status != Status::AtBarrier) return false;
    for (Lane& lane : lanes_) {
      ++lane.epoch;
      lane.status = Status::Ready;
    }
    ++barriers_;
    return true;
  }

  [[noreturn]] void reportStuck() const {
    const Lane* waiting = nullptr;
    std::size_t atBarrier = 0;
    for (const Lane& lane : lanes_) {
      if (lane.status == Status::AtBarrier) ++atBarrier;
      if (lane.status != Status::Exited && (waiting == nullptr || lane.status != Status::AtBarrier))
        waiting = &lane;
    }
    if (waiting->status == Status::AtBarrier)
      fail(*waiting, FindingKind::BarrierNotReachedByAll,
           std::to_string(atBarrier) + " threads wait at __syncthreads, " +
               std::to_string(exited_) + " have left the kernel");
    fail(*waiting, FindingKind::PartialMask,
         "a warp operation waits for lanes of its mask that wait elsewhere (" +
             std::to_string(atBarrier) + " threads wait at __syncthreads)");
  }

  void* touchShared(Lane& lane, std::uint64_t offset, std::size_t bytes, Space space) {
    if (offset + bytes > sharedUsed_)
      fail(lane, FindingKind::OutOfBounds,
           "shared memory beyond its " + std::to_string(sharedUsed_) + " bytes");
    SharedArena& arena = sharedArena();
    arena.dirty = std::max(arena.dirty, offset + bytes);
    check(lane, arena.shadow, offset, bytes, space, FindingKind::SharedMemoryRace, "shared");
    return arena.data.get() + offset;
  }

  void* touchGlobal(Lane& lane, const void* p, std::size_t bytes, Space space) {
    Allocation* a = card().memory.find(p);
    if (a == nullptr)
      fail(lane,
           card().memory.isDevicePointer(p) ? FindingKind::OutOfBounds : FindingKind::HostAccess,
           card().memory.isDevicePointer(p) ? "no allocation holds this address"
                                            : "a host pointer is used by a kernel");
    if (a->freed) fail(lane, FindingKind::UseAfterFree, "the allocation was freed");
    if (a->offset(p) + bytes > a->bytes)
      fail(lane, FindingKind::OutOfBounds,
           std::to_string(bytes) + " bytes at " + std::to_string(a->offset(p)) + " of " +
               std::to_string(a->bytes));
    requireDeclared(lane, p, bytes, space);
    check(lane, *a->shadow, a->offset(p), bytes, space, FindingKind::GlobalMemoryRace, "global");
    return a->data.get() + a->offset(p);
  }

  void requireDeclared(const Lane& lane, const void* p, std::size_t bytes, Space space) const {
    if (!grid_.launch.declared) return;
    const auto begin = reinterpret_cast<std::uintptr_t>(p);
    for (const DeclaredRange& range : *grid_.launch.declared)
      if (begin >= range.begin && begin + bytes <= range.end &&
          (space == Space::Read || range.writable))
        return;
    fail(lane, FindingKind::OutsideDeclaredBuffers,
         std::string(space == Space::Read ? "read" : "write") + " of " + std::to_string(bytes) +
             " bytes that the instruction does not declare");
  }

  void check(Lane& lane, Shadow& shadow, std::uint64_t offset, std::size_t bytes, Space space,
             FindingKind race, const char* where) const {
    Accessor other;
    const Accessor who = lane.accessor(grid_.serial, linear_);
    const auto n = static_cast<std::uint32_t>(bytes);
    Conflict c = Conflict::None;
    if (space == Space::Atomic && !shadow.defined(offset, n)) c = Conflict::Uninitialised;
    if (c == Conflict::None)
      c = space == Space::Read ? shadow.read(offset, n, who, other)
                               : shadow.write(offset, n, who, other, space == Space::Atomic);
    if (c == Conflict::None) return;
    if (c == Conflict::Uninitialised)
      fail(lane, FindingKind::UninitialisedRead,
           std::string(where) + " memory at byte " + std::to_string(offset) + " holds no value");
    const char* what = c == Conflict::ReadAfterWrite    ? "read of what "
                       : c == Conflict::WriteAfterWrite ? "write over what "
                                                        : "write over what was read by ";
    fail(lane, race,
         std::string(what) + "block " + std::to_string(other.block) + ", thread " +
             std::to_string(other.warp * kWarp + other.lane) +
             (c == Conflict::WriteAfterRead ? "" : " wrote") + " without a barrier between (byte " +
             std::to_string(offset) + ")");
  }

  // Groups the accesses of a warp by instruction and occurrence, as the hardware coalesces them.
  void countBlock() {
    LaunchCount& total = *grid_.count;
    total.barriers += barriers_;
    Footprint own;
    for (std::size_t first = 0; first < lanes_.size(); first += kWarp) {
      const std::size_t last = std::min(first + kWarp, lanes_.size());
      std::unordered_map<const void*, std::vector<std::vector<const AccessRecord*>>> groups;
      for (std::size_t t = first; t < last; ++t) {
        std::unordered_map<const void*, std::size_t> occurrence;
        for (const AccessRecord& r : lanes_[t].records) {
          auto& list = groups[r.site];
          const std::size_t k = occurrence[r.site]++;
          if (list.size() <= k) list.resize(k + 1);
          list[k].push_back(&r);
        }
      }
      for (const auto& [site, list] : groups)
        for (const auto& group : list) countWarpAccess(total, group, own);
    }
    total.uniqueReads += own.reads.size();
    total.uniqueWrites += own.writes.size();
    grid_.footprint->reads.merge(own.reads);
    grid_.footprint->writes.merge(own.writes);
  }

  static void countWarpAccess(LaunchCount& total, const std::vector<const AccessRecord*>& group,
                              Footprint& block) {
    if (group.front()->shared) {
      total.bankConflicts += bankConflicts(group);
      return;
    }
    std::vector<std::uint64_t> sectors, bytes;
    for (const AccessRecord* r : group) {
      total.bytes += r->bytes;
      for (std::uint64_t s = r->address / kSector; s <= (r->address + r->bytes - 1) / kSector;
           ++s) {
        sectors.push_back(s);
        if (r->space != Space::Write) block.reads.insert(s);
        if (r->space != Space::Read) block.writes.insert(s);
      }
      bytes.push_back(r->address);
    }
    const auto distinct = [](std::vector<std::uint64_t>& v) {
      std::sort(v.begin(), v.end());
      return static_cast<std::uint64_t>(std::unique(v.begin(), v.end()) - v.begin());
    };
    ++total.warpAccesses;
    total.sectors += distinct(sectors);
    total.perfectSectors += (distinct(bytes) * group.front()->bytes + kSector - 1) / kSector;
  }

  // Extra passes: 32 banks of four bytes; accesses of 8 and 16 bytes go in halves and quarters of a warp.
  static std::uint64_t bankConflicts(const std::vector<const AccessRecord*>& group) {
    const std::uint32_t width = std::max(4u, group.front()->bytes);
    const std::size_t perPass = kWarp * 4 / width;
    std::uint64_t extra = 0;
    for (std::size_t begin = 0; begin < group.size(); begin += perPass) {
      std::unordered_map<std::uint64_t, std::unordered_set<std::uint64_t>> words;
      for (std::size_t i = begin; i < std::min(begin + perPass, group.size()); ++i)
        for (std::uint32_t b = 0; b < group[i]->bytes; b += 4) {
          const std::uint64_t word = (group[i]->address + b) / 4;
          words[word % 32].insert(word);
        }
      std::size_t passes = 1;
      for (const auto& [bank, distinct] : words) passes = std::max(passes, distinct.size());
      extra += passes - 1;
    }
    return extra;
  }

 public:
  // What earlier blocks left in shared memory is no value for this one.
  static void forgetShared() {
    SharedArena& arena = sharedArena();
    if (arena.dirty > 0) arena.shadow.poison(0, arena.dirty);
    arena.dirty = 0;
  }

 private:
  const Grid& grid_;
  std::uint32_t linear_;
  std::vector<Lane> lanes_;
  std::size_t exited_ = 0;
  std::uint32_t barriers_ = 0;
  std::uint64_t dynamicBytes_ = 0;
  std::uint64_t sharedUsed_ = 0;
  std::vector<SharedPiece> pieces_;
  std::exception_ptr error_;
};

// A permutation of [0, count) that needs no table: i -> (i * stride + offset) mod count.
std::uint64_t blockAt(const Schedule& schedule, std::uint64_t i, std::uint64_t count) {
  switch (schedule.order) {
    case Schedule::Order::Forward:
      return i;
    case Schedule::Order::Reverse:
      return count - 1 - i;
    case Schedule::Order::Shuffled:
      break;
  }
  std::uint64_t stride = (schedule.seed * 2654435761u + count / 2) % count | 1;
  while (std::gcd(stride, count) != 1) stride += 2;
  return static_cast<std::uint64_t>((static_cast<unsigned __int128>(i) * stride + schedule.seed) %
                                    count);
}

Lane& lane() { return *current; }

}  // namespace

void runGrid(const Launch& launch, const Schedule& schedule, LaunchCount* count) {
  static thread_local std::uint32_t serial = 0;
  if (++serial == 0) serial = 1;
  Footprint footprint;
  const Grid grid{launch, schedule, count, serial, &footprint};
  const std::uint64_t blocks = launch.grid.count();
  if (count != nullptr) {
    count->kernel = launch.kernel;
    ++count->launches;
  }
  for (std::uint64_t i = 0; i < blocks; ++i) {
    Block::forgetShared();
    Block(grid, blockAt(schedule, i, blocks)).run();
  }
  if (count == nullptr) return;
  count->readFootprint += footprint.reads.size();
  count->writeFootprint += footprint.writes.size();
}

const ThreadIndices& indices() { return lane().indices; }

__attribute__((noinline)) void* access(const void* p, std::size_t bytes, std::size_t alignment,
                                       Space space) {
  Lane& l = lane();
  return l.block->touch(l, p, bytes, alignment, space, __builtin_return_address(0));
}

void* staticShared(const void* site, std::size_t bytes, std::size_t alignment) {
  return lane().block->shared(site, bytes, alignment);
}

void* dynamicShared() { return lane().block->dynamicShared(); }

void syncThreads() {
  lane().status = Status::AtBarrier;
  Fiber::suspend();
}

namespace {
void joinWarp(Status status, std::uint32_t mask) {
  Lane& l = lane();
  if (((mask >> l.indices.lane) & 1) == 0)
    l.block->fail(l, FindingKind::PartialMask, "the calling lane is not in its own mask");
  const std::size_t threads = l.indices.blockDim.count(), first = std::size_t(l.warp) * kWarp;
  const std::uint32_t exist = threads - first >= kWarp ? kFull : (1u << (threads - first)) - 1;
  if (mask & ~exist) {
    if (mask != kFull)
      l.block->fail(l, FindingKind::PartialMask,
                    "the mask names lanes that the block does not have");
    mask = exist;  // the hardware ignores lanes that never existed in a full mask
  }
  l.mask = mask;
  l.status = status;
  Fiber::suspend();
}
}  // namespace

void syncWarp(std::uint32_t mask) { joinWarp(Status::AtWarpSync, mask); }

void exchange(WarpOp op, std::uint32_t mask, std::uint64_t value) {
  lane().op = op;
  lane().value = value;
  joinWarp(Status::AtExchange, mask);
}

std::uint64_t valueOf(std::uint32_t from) { return lane().received[from]; }

void requireLane(std::uint32_t mask, std::uint32_t from) {
  Lane& l = lane();
  const std::size_t threads = l.indices.blockDim.count();
  if (((mask >> from) & 1) == 0 || std::size_t(l.warp) * kWarp + from >= threads)
    l.block->fail(l, FindingKind::UndefinedLane,
                  "a shuffle reads lane " + std::to_string(from) + ", which takes no part in it");
}

void fail(FindingKind kind, const std::string& message) {
  lane().block->fail(lane(), kind, message);
}

}  // namespace striate::emulator
