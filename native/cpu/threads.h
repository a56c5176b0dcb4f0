// The CPU device's threads. One parallel section at a time; the calling thread works along.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>

#include "ops/view.h"

namespace striate::cpu {

class ThreadPool {
 public:
  // Scratch memory of one thread: packed panels and the like, 64-byte aligned.
  static constexpr std::size_t kScratchBytes = std::size_t(4) << 20;

  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const;
  void* scratch(int worker) const;

  // Calls body(i, worker) for every i in [0, count), in any order and on any thread, and returns when
  // all are done. Results must not depend on `worker`, nor on the number of threads.
  template <class Body>
  STRIATE_HD void forEach(std::int64_t count, const Body& body) {
    run(
        count,
        [](const void* b, std::int64_t i, int worker) {
          (*static_cast<const Body*>(b))(i, worker);
        },
        &body);
  }

 private:
  using Function = void (*)(const void*, std::int64_t, int);
  void run(std::int64_t count, Function function, const void* body);

  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace striate::cpu
