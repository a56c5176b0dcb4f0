// One ordered queue of work with a thread of its own. What is pushed first runs first; nothing runs on
// the pushing thread.
#pragma once
#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace striate {

class WorkQueue {
 public:
  using Task = std::function<void()>;  // does not throw

  WorkQueue();
  ~WorkQueue();  // stops
  WorkQueue(const WorkQueue&) = delete;
  WorkQueue& operator=(const WorkQueue&) = delete;

  // `done` follows when the queue no longer counts the work: what it tells someone finds the queue idle.
  // False once the queue was stopped.
  bool push(Task work, Task done = nullptr);

  // Work that nobody waits for: neither `idle` nor `drain` sees it.
  bool pushUnseen(Task work);

  // Nothing queued, nothing running. With one pushing thread that stays true until it pushes.
  bool idle() const;

  // Blocks until idle.
  void drain();

  // Ends the task that runs (long ones watch `stopping`), drops the rest, joins. Twice is harmless.
  void stop();
  const std::atomic<bool>& stopping() const { return stopping_; }

 private:
  struct Item {
    Task work, done;
    bool counted = true;
  };
  bool push(Item item);
  void work();
  bool next(Item& item);

  mutable std::mutex mutex_;
  std::condition_variable wake_, idle_;
  std::deque<Item> items_;
  std::atomic<std::size_t> pending_{0};  // counted items, queued and running
  bool asleep_ = false;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace striate
