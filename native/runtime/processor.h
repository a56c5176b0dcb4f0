// Denormals are flushed to zero on every thread that computes: they cost a hundred cycles each and carry
// nothing that training needs.
#pragma once
#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace striate {

inline void flushDenormals() {
#if defined(__SSE2__)
  constexpr unsigned flushToZero = 0x8000, denormalsAreZero = 0x0040;
  _mm_setcsr(_mm_getcsr() | flushToZero | denormalsAreZero);
#elif defined(__aarch64__)
  unsigned long control;
  __asm__ volatile("mrs %0, fpcr" : "=r"(control));
  control |= 1ul << 24;  // FZ
  __asm__ volatile("msr fpcr, %0" : : "r"(control));
#endif
}

// Tells the processor that a loop waits for another thread.
inline void relax() {
#if defined(__SSE2__)
  _mm_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

}  // namespace striate
