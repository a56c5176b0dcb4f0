// The pool. A section is published in one atomic word, so that a worker joins it or misses it with one
// compare-and-swap: a section never waits for a worker that sleeps, only for those that joined.
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "cpu/threads.h"
#include "runtime/error.h"
#include "runtime/memory.h"
#include "runtime/processor.h"

namespace striate::cpu {

namespace {

using Clock = std::chrono::steady_clock;

// How long a worker looks for the next section before it sleeps: the gaps between the kernels of a step
// are shorter, the gaps between steps are not.
constexpr auto kSpin = std::chrono::microseconds(50);

// The word: bit 0 is set while the section takes workers, bits 1 to 15 count those inside, the rest
// numbers the section.
constexpr std::uint64_t kOpen = 1, kInside = 2, kInsideMask = 0xfffe, kNumber = 0x10000;

// Which pool this thread works for, and as which worker: a section within a section runs on the spot.
struct Membership {
  const void* pool = nullptr;
  int worker = 0;
};
thread_local Membership membership;

}  // namespace

struct ThreadPool::State {
  std::vector<std::thread> threads;
  int size = 1;
  char* scratch = nullptr;
  std::size_t scratchBytes = 0;

  alignas(64) std::atomic<std::uint64_t> word{0};
  alignas(64) std::atomic<std::int64_t> next{0};
  Function function = nullptr;
  const void* body = nullptr;
  std::int64_t count = 0;

  alignas(64) std::atomic<int> asleep{0};
  std::atomic<bool> stop{false};
  std::mutex mutex;
  std::condition_variable wake;

  void work(int worker);
  bool join(std::uint64_t& seen);
  void sleep(std::uint64_t seen);
  void takeItems(int worker);
};

ThreadPool::ThreadPool(int threads) : state_(std::make_unique<State>()) {
  State& s = *state_;
  s.size = threads < 1 ? 1 : threads;
  s.scratchBytes = kScratchBytes * static_cast<std::size_t>(s.size);
  s.scratch = static_cast<char*>(allocateHostMemory(s.scratchBytes));
  if (s.scratch == nullptr)
    throw Error(ErrorCode::OutOfDeviceMemory,
                "no room for the scratch memory of " + std::to_string(s.size) + " threads");
  try {
    for (int worker = 1; worker < s.size; ++worker)
      s.threads.emplace_back([&s, worker] { s.work(worker); });
  } catch (const std::system_error&) {
    // The machine gives no more threads: those that started do the work.
    s.size = static_cast<int>(s.threads.size()) + 1;
  }
}

ThreadPool::~ThreadPool() {
  State& s = *state_;
  {
    std::lock_guard<std::mutex> lock(s.mutex);
    s.stop = true;
  }
  s.wake.notify_all();
  for (std::thread& thread : s.threads) thread.join();
  releaseHostMemory(s.scratch, s.scratchBytes);
}

int ThreadPool::size() const { return state_->size; }

void* ThreadPool::scratch(int worker) const {
  return state_->scratch + kScratchBytes * static_cast<std::size_t>(worker);
}

void ThreadPool::run(std::int64_t count, Function function, const void* body) {
  State& s = *state_;
  const bool nested = membership.pool == &s;
  if (count <= 1 || s.size == 1 || nested) {
    const int worker = nested ? membership.worker : 0;
    for (std::int64_t i = 0; i < count; ++i) function(body, i, worker);
    return;
  }

  s.function = function;
  s.body = body;
  s.count = count;
  s.next.store(0, std::memory_order_relaxed);
  const std::uint64_t number = (s.word.load(std::memory_order_relaxed) & ~(kNumber - 1)) + kNumber;
  s.word.store(number | kOpen);  // sequentially consistent, as the load of `asleep` after it
  const int asleep = s.asleep.load();
  if (asleep > 0) {
    { std::lock_guard<std::mutex> lock(s.mutex); }
    if (asleep < count)
      s.wake.notify_all();
    else
      for (std::int64_t i = 1; i < count; ++i) s.wake.notify_one();
  }

  const Membership outer = membership;
  membership = {&s, 0};
  s.takeItems(0);
  membership = outer;

  s.word.fetch_and(~kOpen, std::memory_order_acq_rel);
  for (int turn = 0; (s.word.load(std::memory_order_acquire) & kInsideMask) != 0; ++turn) {
    if (turn < 4096)
      relax();
    else
      std::this_thread::yield();
  }
}

void ThreadPool::State::takeItems(int worker) {
  for (;;) {
    const std::int64_t i = next.fetch_add(1, std::memory_order_relaxed);
    if (i >= count) return;
    function(body, i, worker);
  }
}

// Joins the open section if this worker has not been in it.
bool ThreadPool::State::join(std::uint64_t& seen) {
  std::uint64_t current = word.load(std::memory_order_acquire);
  while ((current & kOpen) != 0 && current / kNumber != seen) {
    if (!word.compare_exchange_weak(current, current + kInside, std::memory_order_acq_rel))
      continue;
    seen = current / kNumber;
    return true;
  }
  return false;
}

void ThreadPool::State::sleep(std::uint64_t seen) {
  std::unique_lock<std::mutex> lock(mutex);
  asleep.fetch_add(1);
  wake.wait(lock, [&] {
    const std::uint64_t current = word.load();
    return stop || ((current & kOpen) != 0 && current / kNumber != seen);
  });
  asleep.fetch_sub(1);
}

void ThreadPool::State::work(int worker) {
  flushDenormals();
  membership = {this, worker};
  std::uint64_t seen = 0;
  while (!stop.load(std::memory_order_relaxed)) {
    if (join(seen)) {
      takeItems(worker);
      word.fetch_sub(kInside, std::memory_order_release);
      continue;
    }
    const auto end = Clock::now() + kSpin;
    bool found = false;
    while (!found && Clock::now() < end) {
      for (int i = 0; i < 16; ++i) relax();
      const std::uint64_t current = word.load(std::memory_order_relaxed);
      found = stop.load(std::memory_order_relaxed) ||
              ((current & kOpen) != 0 && current / kNumber != seen);
    }
    if (!found) sleep(seen);
  }
}

}  // namespace striate::cpu
