// A stack of its own for one CUDA thread, switched without a system call.
#pragma once
#include <cstddef>

namespace striate::emulator {

class Fiber {
 public:
  using Entry = void (*)(void*);

  Fiber();
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  // Prepares a run of `entry(argument)`; what the stack held before is forgotten without unwinding.
  void start(Entry entry, void* argument);
  // Runs on this fiber until it suspends or `entry` returns. Called from the scheduler's stack.
  void resume();
  bool done() const { return done_; }

  // Goes back to the scheduler. Called on a fiber.
  static void suspend();

 private:
  static void trampoline();

  static constexpr std::size_t kStackBytes = 64 * 1024;
  void* mapping_ = nullptr;
  std::size_t mappingBytes_ = 0;
  char* stack_ = nullptr;
  void* sp_ = nullptr;
  void* schedulerSp_ = nullptr;
  void* fakeStack_ = nullptr;           // AddressSanitizer's, of this fiber
  void* schedulerFakeStack_ = nullptr;  // AddressSanitizer's, of the scheduler
  const void* schedulerStack_ = nullptr;
  std::size_t schedulerStackBytes_ = 0;
  Entry entry_ = nullptr;
  void* argument_ = nullptr;
  bool done_ = true;
};

}  // namespace striate::emulator
