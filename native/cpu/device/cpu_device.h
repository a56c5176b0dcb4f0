// The processor as a device.
#pragma once
#include <memory>
#include <string>

#include "runtime/device.h"

namespace striate::cpu {

struct CpuOptions {
  int threads = 0;  // 0: as many as there are cores for this process
  std::string instructionSet = "best";
};

std::unique_ptr<Device> makeCpuDevice(const CpuOptions& options);

}  // namespace striate::cpu
