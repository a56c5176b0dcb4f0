#include "runtime/queue.h"

#include <chrono>
#include <system_error>

#include "runtime/error.h"
#include "runtime/processor.h"

namespace striate {

namespace {

// How long the thread looks for more work before it sleeps: about what waking it would cost.
constexpr auto kSpin = std::chrono::microseconds(30);

}  // namespace

WorkQueue::WorkQueue() {
  try {
    thread_ = std::thread([this] { work(); });
  } catch (const std::system_error& error) {
    throw Error(ErrorCode::DeviceError,
                std::string("cannot start the device's thread: ") + error.what());
  }
}

WorkQueue::~WorkQueue() { stop(); }

bool WorkQueue::push(Task work, Task done) {
  return push(Item{std::move(work), std::move(done), true});
}

bool WorkQueue::pushUnseen(Task work) { return push(Item{std::move(work), nullptr, false}); }

bool WorkQueue::push(Item item) {
  bool wake;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (stopping_) return false;
    if (item.counted) pending_.fetch_add(1, std::memory_order_release);
    items_.push_back(std::move(item));
    wake = asleep_;
  }
  if (wake) wake_.notify_one();
  return true;
}

bool WorkQueue::idle() const { return pending_.load(std::memory_order_acquire) == 0; }

void WorkQueue::drain() {
  std::unique_lock<std::mutex> lock(mutex_);
  idle_.wait(lock, [this] { return idle() || stopping_; });
}

void WorkQueue::stop() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  idle_.notify_all();
  if (thread_.joinable()) thread_.join();
  items_.clear();
  pending_ = 0;
}

void WorkQueue::work() {
  flushDenormals();
  Item item;
  while (next(item)) {
    item.work();
    item.work = nullptr;  // what it held goes before it counts as done
    if (item.counted && pending_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      // The lock orders this with a `drain` that has just looked.
      std::lock_guard<std::mutex> lock(mutex_);
      idle_.notify_all();
    }
    if (item.done) item.done();
    item.done = nullptr;
  }
}

// False when the queue stops.
bool WorkQueue::next(Item& item) {
  const auto end = std::chrono::steady_clock::now() + kSpin;
  while (idle() && !stopping_.load(std::memory_order_relaxed) &&
         std::chrono::steady_clock::now() < end)
    relax();
  std::unique_lock<std::mutex> lock(mutex_);
  asleep_ = true;
  wake_.wait(lock, [this] { return !items_.empty() || stopping_; });
  asleep_ = false;
  if (stopping_) return false;
  item = std::move(items_.front());
  items_.pop_front();
  return true;
}

}  // namespace striate
