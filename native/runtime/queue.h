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

  // False once the queue was stopped.
  bool push(Task task);

  // Nothing queued, nothing running. With one pushing thread that stays true until it pushes.
  bool idle() const;

  // Blocks until idle.
  void drain();

  // Ends the task that runs (long ones watch `stopping`), drops the rest, joins. Twice is harmless.
  void stop();
  const std::atomic<bool>& stopping() const { return stopping_; }

 private:
  void work();
  bool next(Task& task);

  mutable std::mutex mutex_;
  std::condition_variable wake_, idle_;
  std::deque<Task> tasks_;
  std::atomic<std::size_t> pending_{0};  // queued and running
  bool asleep_ = false;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace striate
