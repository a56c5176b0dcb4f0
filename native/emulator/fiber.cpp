#include "emulator/fiber.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <new>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#define STRIATE_FIBER_SANITIZER 1
#endif

// void striateSwitchStack(void** save, void* load): saves what the ABI lets a callee keep on the current
// stack and continues on the other.
#if defined(__x86_64__)
asm(R"(
.text
.globl striateSwitchStack
.hidden striateSwitchStack
.type striateSwitchStack,@function
striateSwitchStack:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  subq $8, %rsp
  stmxcsr (%rsp)
  fnstcw 4(%rsp)
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  ldmxcsr (%rsp)
  fldcw 4(%rsp)
  addq $8, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size striateSwitchStack,.-striateSwitchStack
)");
#elif defined(__aarch64__)
asm(R"(
.text
.globl striateSwitchStack
.hidden striateSwitchStack
.type striateSwitchStack,%function
striateSwitchStack:
  sub sp, sp, #160
  stp x19, x20, [sp, #0]
  stp x21, x22, [sp, #16]
  stp x23, x24, [sp, #32]
  stp x25, x26, [sp, #48]
  stp x27, x28, [sp, #64]
  stp x29, x30, [sp, #80]
  stp d8, d9, [sp, #96]
  stp d10, d11, [sp, #112]
  stp d12, d13, [sp, #128]
  stp d14, d15, [sp, #144]
  mov x9, sp
  str x9, [x0]
  mov sp, x1
  ldp x19, x20, [sp, #0]
  ldp x21, x22, [sp, #16]
  ldp x23, x24, [sp, #32]
  ldp x25, x26, [sp, #48]
  ldp x27, x28, [sp, #64]
  ldp x29, x30, [sp, #80]
  ldp d8, d9, [sp, #96]
  ldp d10, d11, [sp, #112]
  ldp d12, d13, [sp, #128]
  ldp d14, d15, [sp, #144]
  add sp, sp, #160
  ret
.size striateSwitchStack,.-striateSwitchStack
)");
#else
#error "the emulator's fibers know x86-64 and AArch64"
#endif

extern "C" void striateSwitchStack(void** save, void* load);

namespace striate::emulator {

namespace {
thread_local Fiber* running = nullptr;
}

Fiber::Fiber() {
  const std::size_t page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  mappingBytes_ = kStackBytes + page;
  mapping_ = mmap(nullptr, mappingBytes_, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapping_ == MAP_FAILED) throw std::bad_alloc();
  mprotect(mapping_, page, PROT_NONE);  // an overflow faults instead of corrupting a neighbour
  stack_ = static_cast<char*>(mapping_) + page;
}

Fiber::~Fiber() { munmap(mapping_, mappingBytes_); }

void Fiber::start(Entry entry, void* argument) {
  entry_ = entry;
  argument_ = argument;
  done_ = false;
  fakeStack_ = nullptr;
#if STRIATE_FIBER_SANITIZER
  // What a run left that never came to its end.
  __asan_unpoison_memory_region(stack_, kStackBytes);
#endif
  auto* top = reinterpret_cast<std::uint64_t*>(stack_ + kStackBytes);
#if defined(__x86_64__)
  // After six registers and the control words comes the return address; at the entry of `trampoline`
  // the stack pointer is 8 modulo 16, as after a call.
  top -= 2;
  *top = reinterpret_cast<std::uint64_t>(&Fiber::trampoline);
  top -= 7;
  std::memset(top, 0, 7 * sizeof(std::uint64_t));
  std::uint32_t mxcsr = 0;
  std::uint16_t controlWord = 0;
  asm volatile("stmxcsr %0" : "=m"(mxcsr));
  asm volatile("fnstcw %0" : "=m"(controlWord));
  std::memcpy(top, &mxcsr, sizeof mxcsr);
  std::memcpy(reinterpret_cast<char*>(top) + 4, &controlWord, sizeof controlWord);
#else
  top -= 20;
  std::memset(top, 0, 20 * sizeof(std::uint64_t));
  top[11] = reinterpret_cast<std::uint64_t>(&Fiber::trampoline);  // x30
#endif
  sp_ = top;
}

void Fiber::resume() {
  running = this;
#if STRIATE_FIBER_SANITIZER
  __sanitizer_start_switch_fiber(&schedulerFakeStack_, stack_, kStackBytes);
#endif
  striateSwitchStack(&schedulerSp_, sp_);
#if STRIATE_FIBER_SANITIZER
  __sanitizer_finish_switch_fiber(schedulerFakeStack_, nullptr, nullptr);
#endif
  running = nullptr;
}

void Fiber::suspend() {
  Fiber* self = running;
#if STRIATE_FIBER_SANITIZER
  // A finished fiber gives its fake stack back.
  __sanitizer_start_switch_fiber(self->done_ ? nullptr : &self->fakeStack_, self->schedulerStack_,
                                 self->schedulerStackBytes_);
#endif
  striateSwitchStack(&self->sp_, self->schedulerSp_);
#if STRIATE_FIBER_SANITIZER
  __sanitizer_finish_switch_fiber(self->fakeStack_, &self->schedulerStack_,
                                  &self->schedulerStackBytes_);
#endif
}

void Fiber::trampoline() {
  Fiber* self = running;
#if STRIATE_FIBER_SANITIZER
  __sanitizer_finish_switch_fiber(nullptr, &self->schedulerStack_, &self->schedulerStackBytes_);
#endif
  self->entry_(self->argument_);
  self->done_ = true;
  suspend();
  __builtin_unreachable();
}

}  // namespace striate::emulator
