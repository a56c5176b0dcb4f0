#include "runtime/device.h"

#include <chrono>

namespace striate {

Control Device::run(const Sequence& sequence, const Control& control, const Issue& issue) {
  using Clock = std::chrono::steady_clock;
  setControl(control);
  Clock::time_point before = Clock::now();
  for (std::size_t i = sequence.begin; i < sequence.end; ++i) {
    issue(i);
    if (sequence.times == nullptr) continue;
    synchronize();
    const Clock::time_point after = Clock::now();
    sequence.times[i - sequence.begin] = static_cast<double>(
        std::chrono::duration_cast<std::chrono::nanoseconds>(after - before).count());
    before = after;
  }
  for (const Readback& r : sequence.readbacks) download(r.to, r.from, r.bytes);
  return this->control();
}

}  // namespace striate
