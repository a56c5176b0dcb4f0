// Memory of the device and the ways between host and device.
#include <algorithm>
#include <cstring>

#include "cuda/device/device.h"

namespace striate::cuda {

namespace {

std::string sized(const char* call, std::uint64_t bytes) {
  return std::string(call) + " of " + std::to_string(bytes) + " bytes";
}

}  // namespace

// Planned memory comes from cudaMalloc, eager tensors from the stream-ordered pool.
void* CudaDevice::allocate(std::uint64_t bytes, bool eager) {
  std::lock_guard<std::mutex> capture(captureMutex());
  eager = eager && pools_;
  void* data = nullptr;
  const auto attempt = [&] {
    const cudaError_t error =
        eager ? cudaMallocAsync(&data, bytes, compute_) : cudaMalloc(&data, bytes);
    if (error == cudaErrorMemoryAllocation)
      cudaGetLastError();
    else
      check(error, sized(eager ? "cudaMallocAsync" : "cudaMalloc", bytes));
    return error == cudaSuccess;
  };
  if (!attempt()) {
    if (!pools_ || eager) return nullptr;
    // What the pool keeps back for eager tensors may be enough.
    cudaMemPool_t pool;
    check(cudaDeviceGetDefaultMemPool(&pool, index_), "cudaDeviceGetDefaultMemPool");
    check(cudaMemPoolTrimTo(pool, 0), "cudaMemPoolTrimTo");
    if (!attempt()) return nullptr;
  }
  try {
    check(cudaMemsetAsync(data, 0, bytes, compute_), sized("cudaMemsetAsync", bytes));
    std::lock_guard<std::mutex> lock(allocationsMutex_);
    allocations_.emplace(static_cast<char*>(data), Allocation{bytes, eager, nullptr});
  } catch (...) {
    if (eager)
      cudaFreeAsync(data, compute_);
    else
      cudaFree(data);
    throw;
  }
  return data;
}

void CudaDevice::release(void* data) {
  std::lock_guard<std::mutex> capture(captureMutex());
  Allocation gone{};
  {
    std::lock_guard<std::mutex> lock(allocationsMutex_);
    const auto found = allocations_.find(static_cast<char*>(data));
    if (found == allocations_.end()) return;
    gone = std::move(found->second);
    allocations_.erase(found);
  }
  if (gone.eager)
    check(cudaFreeAsync(data, compute_), "cudaFreeAsync");
  else
    check(cudaFree(data), "cudaFree");
}

void CudaDevice::memory(std::uint64_t& free, std::uint64_t& total) const {
  std::size_t f = 0, t = 0;
  check(cudaMemGetInfo(&f, &t), "cudaMemGetInfo");
  free = f;
  total = t;
}

void CudaDevice::prepareStaging(void* data, std::uint64_t bytes) {
  std::lock_guard<std::mutex> capture(captureMutex());
  auto slot = std::make_unique<Slot>(bytes);
  // The memory was zeroed on the compute stream: the first upload comes after that.
  slot->read.record(compute_);
  std::lock_guard<std::mutex> lock(allocationsMutex_);
  const auto found = allocations_.find(static_cast<char*>(data));
  if (found != allocations_.end() && !found->second.slot) found->second.slot = std::move(slot);
}

CudaDevice::Slot* CudaDevice::slotAt(const void* data, std::uint64_t& offset) {
  std::lock_guard<std::mutex> lock(allocationsMutex_);
  char* const at = static_cast<char*>(const_cast<void*>(data));
  auto after = allocations_.upper_bound(at);
  if (after == allocations_.begin()) return nullptr;
  --after;
  offset = static_cast<std::uint64_t>(at - after->first);
  return offset < after->second.bytes ? after->second.slot.get() : nullptr;
}

// The bytes go to pinned memory at once and to the device behind the step that last read the slot, while
// the step on the other slot runs.
void CudaDevice::stage(void* to, const void* from, std::uint64_t bytes) {
  std::uint64_t offset = 0;
  Slot* slot = slotAt(to, offset);
  if (slot == nullptr) return upload(to, from, bytes);
  const bool overlaps = std::any_of(
      slot->pending.begin(), slot->pending.end(),
      [&](const auto& range) { return range.first < offset + bytes && offset < range.second; });
  if (overlaps) {
    slot->uploaded.synchronize("waiting for an earlier upload to the same slot");
    slot->pending.clear();
  }
  std::memcpy(slot->pinned.data() + offset, from, bytes);
  slot->read.orderBefore(copy_);
  check(cudaMemcpyAsync(to, slot->pinned.data() + offset, bytes, cudaMemcpyHostToDevice, copy_),
        sized("upload", bytes));
  slot->uploaded.record(copy_);
  slot->pending.emplace_back(offset, offset + bytes);
}

void CudaDevice::upload(void* to, const void* from, std::uint64_t bytes) {
  if (bytes == 0) return;
  check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, compute_), sized("upload", bytes));
  check(cudaStreamSynchronize(compute_), sized("upload", bytes));
}

void CudaDevice::download(void* to, const void* from, std::uint64_t bytes) {
  if (bytes == 0) return;
  check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, compute_),
        sized("download", bytes));
  check(cudaStreamSynchronize(compute_), sized("download", bytes));
}

void CudaDevice::fill(void* to, int value, std::uint64_t bytes) {
  if (bytes == 0) return;
  check(cudaMemsetAsync(to, value, bytes, compute_), sized("fill", bytes));
}

}  // namespace striate::cuda
