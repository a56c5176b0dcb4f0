#include "cuda/device/device.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace striate::cuda {

namespace {

bool synchronousByEnvironment() {
  const char* value = std::getenv("STRIATE_SYNC");
  return value != nullptr && *value != 0 && std::strcmp(value, "0") != 0;
}

int selected(int index) {
  check(cudaSetDevice(index), "cudaSetDevice(" + std::to_string(index) + ")");
  return index;
}

std::string versionText(int version) {  // 13000 is 13.0
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

}  // namespace

std::mutex& captureMutex() {
  static auto& mutex = *new std::mutex();
  return mutex;
}

CudaDevice::CudaDevice(int index)
    : index_(selected(index)),
      synchronous_(synchronousByEnvironment()),
      pinnedControl_(sizeof(Control)) {
  int pools = 0;
  check(cudaDeviceGetAttribute(&pools, cudaDevAttrMemoryPoolsSupported, index),
        "cudaDeviceGetAttribute");
  pools_ = pools != 0;
  if (pools_) {
    // Freed eager tensors stay with the pool: the next one is there without the driver's help.
    cudaMemPool_t pool;
    check(cudaDeviceGetDefaultMemPool(&pool, index), "cudaDeviceGetDefaultMemPool");
    unsigned long long kept = ~0ull;
    check(cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &kept),
          "cudaMemPoolSetAttribute");
  }
  void* control = nullptr;
  check(cudaMalloc(&control, sizeof(Control)), "cudaMalloc of the control block");
  control_ = static_cast<Control*>(control);
}

CudaDevice::~CudaDevice() {
  cancel();
  cudaStreamSynchronize(copy_);
  cudaStreamSynchronize(compute_);
  std::lock_guard<std::mutex> lock(captureMutex());
  recorded_.clear();
  for (auto& [data, allocation] : allocations_) {
    if (allocation.eager)
      cudaFreeAsync(data, compute_);
    else
      cudaFree(data);
  }
  cudaFree(control_);
  cudaGetLastError();
}

void CudaDevice::facts(StriateDeviceFacts& facts) const {
  std::memset(&facts, 0, sizeof facts);
#if defined(STRIATE_EMULATOR)
  std::snprintf(facts.kind, sizeof facts.kind, "cuda:emulated");
#else
  std::snprintf(facts.kind, sizeof facts.kind, "cuda:%d", index_);
#endif
  cudaDeviceProp properties;
  if (cudaGetDeviceProperties(&properties, index_) == cudaSuccess) {
    std::snprintf(facts.name, sizeof facts.name, "%s", properties.name);
    std::snprintf(facts.architecture, sizeof facts.architecture, "sm_%d%d", properties.major,
                  properties.minor);
  }
  int driver = 0, runtime = 0;
  cudaDriverGetVersion(&driver);
  cudaRuntimeGetVersion(&runtime);
  std::snprintf(facts.details, sizeof facts.details,
                "driver for CUDA %s, CUDA runtime %s, cuBLASLt %zu (%s)",
                versionText(driver).c_str(), versionText(runtime).c_str(), blas_.version(),
                blas_.path().c_str());
  facts.ownBytes = sizeof(Control);
}

void CudaDevice::synchronize() { check(cudaStreamSynchronize(compute_), "cudaStreamSynchronize"); }

}  // namespace striate::cuda
