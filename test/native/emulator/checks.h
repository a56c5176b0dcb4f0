// What the emulator's tests share: a line for each check and a closing count, a fresh state for each.
#pragma once
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cuda/launch.h"
#include "emulator/card.h"
#include "emulator/runtime.h"

namespace striate::test {

using emulator::Runtime;
using emulator::Schedule;
using emulator::Timing;

inline int passed = 0, failed = 0;

inline void report(const std::string& what, bool ok, const std::string& detail) {
  ok ? ++passed : ++failed;
  std::printf("%s %s%s%s\n", ok ? "ok  " : "FAIL", what.c_str(), ok || detail.empty() ? "" : ": ", ok ? "" : detail.c_str());
}

inline void reset() {
  Runtime& r = Runtime::instance();
  r.waitAll();
  r.sticky = r.last = cudaSuccess;
  r.finding.clear();
  r.declared = nullptr;
  r.faults = {};
  r.timing = Timing::Late;
}

// Runs `body` and expects a finding that contains `text` ("" expects none), under every schedule.
inline void expect(const std::string& what, const std::string& text, const std::function<void()>& body) {
  for (const Schedule schedule : {Schedule{Schedule::Order::Forward, 0}, Schedule{Schedule::Order::Reverse, 0},
                                  Schedule{Schedule::Order::Shuffled, 7}}) {
    reset();
    Runtime::instance().schedule = schedule;
    body();
    Runtime::instance().waitAll();
    const std::string found = Runtime::instance().finding;
    const bool ok = text.empty() ? found.empty() : found.find(text) != std::string::npos;
    report(what + ", order " + std::to_string(static_cast<int>(schedule.order)), ok, "found '" + found + "'");
  }
  reset();
}

inline void expectError(const std::string& what, cudaError_t expected, const std::function<cudaError_t()>& body) {
  reset();
  const cudaError_t error = body();
  report(what, error == expected, std::string("returned ") + cudaGetErrorName(error));
  reset();
}

inline float* allocate(std::size_t floats, bool zeroed = true) {
  void* p = nullptr;
  cudaMalloc(&p, floats * sizeof(float));
  if (zeroed) cudaMemset(p, 0, floats * sizeof(float));
  return static_cast<float*>(p);
}

inline float* upload(const std::vector<float>& values) {
  float* const p = allocate(values.size(), false);
  cudaMemcpy(p, values.data(), values.size() * sizeof(float), cudaMemcpyHostToDevice);
  return p;
}

inline std::vector<float> download(const float* p, std::size_t floats) {
  std::vector<float> values(floats);
  cudaMemcpy(values.data(), p, floats * sizeof(float), cudaMemcpyDeviceToHost);
  return values;
}

inline cuda::Geometry grid(unsigned blocks, unsigned threads) { return {dim3(blocks), dim3(threads), 0}; }

// The closing line; the program's exit status.
inline int finish() {
  report("nothing is left allocated", emulator::card().memory.blocks() == 0,
         std::to_string(emulator::card().memory.blocks()));
  std::printf("%d passed, %d failed\n", passed, failed);
  return failed == 0 ? 0 : 1;
}

}  // namespace striate::test
