// The CUDA Runtime API over the emulated card. Each function holds the runtime's lock, refuses what the
// real one refuses, and counts.
#include <cstdlib>
#include <cstring>
#include <map>

#include "emulator/card.h"
#include "emulator/include/runtime_api.h"
#include "emulator/runtime.h"

using striate::emulator::Allocation;
using striate::emulator::card;
using striate::emulator::DeclaredRange;
using striate::emulator::FindingError;
using striate::emulator::FindingKind;
using striate::emulator::Operation;
using striate::emulator::Runtime;
using striate::emulator::Touch;

namespace {

using Lock = std::lock_guard<std::recursive_mutex>;

Runtime& runtime() { return Runtime::instance(); }

constexpr std::size_t kStaticShared = 49152;
constexpr std::size_t kOptInShared =
    101376;  // compute capability 8.6, the least of those with opt-in
constexpr std::size_t kParameterBytes = 4096;

// Pinned host memory: start and bytes.
std::map<const char*, std::size_t>& pinned() {
  static std::map<const char*, std::size_t> blocks;
  return blocks;
}

bool takeFault(std::uint64_t& countdown) { return countdown > 0 && --countdown == 0; }

Touch touch(const void* p, std::size_t bytes, bool writes) {
  const auto begin = reinterpret_cast<std::uintptr_t>(p);
  return {begin, begin + bytes, writes};
}

// The host bytes of a device range; throws a finding where the range is not one.
char* deviceBytes(const void* p, std::size_t bytes, const char* what) {
  Allocation* a = card().memory.find(p);
  const auto report = [&](FindingKind kind, const char* message) -> char* {
    throw FindingError{{kind, what, {0, 0, 0}, {0, 0, 0}, message}};
  };
  if (a == nullptr) return report(FindingKind::OutOfBounds, "no allocation holds this address");
  if (a->freed) return report(FindingKind::UseAfterFree, "the allocation was freed");
  if (a->offset(p) + bytes > a->bytes)
    return report(FindingKind::OutOfBounds, "the copy leaves its allocation");
  return a->data.get() + a->offset(p);
}

cudaError_t copyNow(void* to, const void* from, std::size_t bytes) {
  const bool toDevice = card().memory.isDevicePointer(to),
             fromDevice = card().memory.isDevicePointer(from);
  char* destination = toDevice ? deviceBytes(to, bytes, "copy") : static_cast<char*>(to);
  const char* source =
      fromDevice ? deviceBytes(from, bytes, "copy") : static_cast<const char*>(from);
  if (fromDevice) {
    const Allocation* a = card().memory.find(from);
    if (!toDevice && !a->shadow->defined(a->offset(from), bytes))
      throw FindingError{{FindingKind::UninitialisedRead,
                          "copy",
                          {0, 0, 0},
                          {0, 0, 0},
                          "the host reads device memory that holds no value"}};
  }
  std::memmove(destination, source, bytes);
  if (toDevice) {
    Allocation* a = card().memory.find(to);
    a->shadow->define(a->offset(to), bytes);
  }
  return cudaSuccess;
}

cudaError_t checkDirection(const void* to, const void* from, cudaMemcpyKind kind) {
  const bool toDevice = card().memory.isDevicePointer(to),
             fromDevice = card().memory.isDevicePointer(from);
  switch (kind) {
    case cudaMemcpyDefault:
      return cudaSuccess;
    case cudaMemcpyHostToHost:
      return !toDevice && !fromDevice ? cudaSuccess : cudaErrorInvalidMemcpyDirection;
    case cudaMemcpyHostToDevice:
      return toDevice && !fromDevice ? cudaSuccess : cudaErrorInvalidMemcpyDirection;
    case cudaMemcpyDeviceToHost:
      return !toDevice && fromDevice ? cudaSuccess : cudaErrorInvalidMemcpyDirection;
    case cudaMemcpyDeviceToDevice:
      return toDevice && fromDevice ? cudaSuccess : cudaErrorInvalidMemcpyDirection;
  }
  return cudaErrorInvalidMemcpyDirection;
}

}  // namespace

cudaError_t cudaGetDeviceCount(int* count) {
  *count = 1;
  return cudaSuccess;
}
cudaError_t cudaSetDevice(int device) {
  return device == 0 ? cudaSuccess : runtime().fail(cudaErrorInvalidDevice);
}
cudaError_t cudaGetDevice(int* device) {
  *device = 0;
  return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* p, int device) {
  if (device != 0) return runtime().fail(cudaErrorInvalidDevice);
  std::memset(p, 0, sizeof *p);
  std::strcpy(p->name, "emulated CUDA device");
  p->totalGlobalMem = card().memory.capacity();
  p->sharedMemPerBlock = kStaticShared;
  p->sharedMemPerBlockOptin = kOptInShared;
  p->major = 8;
  p->minor = 6;
  p->multiProcessorCount = 8;
  p->maxThreadsPerBlock = 1024;
  return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  cudaDeviceProp p;
  if (const cudaError_t error = cudaGetDeviceProperties(&p, device); error != cudaSuccess)
    return error;
  switch (attribute) {
    case cudaDevAttrMaxThreadsPerBlock:
      *value = p.maxThreadsPerBlock;
      return cudaSuccess;
    case cudaDevAttrMaxSharedMemoryPerBlock:
      *value = static_cast<int>(p.sharedMemPerBlock);
      return cudaSuccess;
    case cudaDevAttrMultiProcessorCount:
      *value = p.multiProcessorCount;
      return cudaSuccess;
    case cudaDevAttrComputeCapabilityMajor:
      *value = p.major;
      return cudaSuccess;
    case cudaDevAttrComputeCapabilityMinor:
      *value = p.minor;
      return cudaSuccess;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
      *value = static_cast<int>(p.sharedMemPerBlockOptin);
      return cudaSuccess;
    case cudaDevAttrMemoryPoolsSupported:
      *value = 1;
      return cudaSuccess;
  }
  return runtime().fail(cudaErrorInvalidValue);
}

cudaError_t cudaDriverGetVersion(int* version) {
  *version = 13000;
  return cudaSuccess;
}
cudaError_t cudaRuntimeGetVersion(int* version) { return cudaDriverGetVersion(version); }

cudaError_t cudaDeviceSynchronize() {
  Lock lock(runtime().mutex);
  if (runtime().capturing()) return runtime().refuseInCapture();
  ++runtime().counts.synchronizations;
  return runtime().waitAll();
}

cudaError_t cudaGetLastError() {
  Lock lock(runtime().mutex);
  const cudaError_t error = runtime().last;
  runtime().last = runtime().sticky;
  return error;
}
cudaError_t cudaPeekAtLastError() {
  Lock lock(runtime().mutex);
  return runtime().last;
}

#define STRIATE_ERRORS(X)                                                                         \
  X(cudaSuccess, "no error")                                                                      \
  X(cudaErrorInvalidValue, "invalid argument")                                                    \
  X(cudaErrorMemoryAllocation, "out of memory")                                                   \
  X(cudaErrorInitializationError, "initialization error")                                         \
  X(cudaErrorInvalidConfiguration, "invalid configuration argument")                              \
  X(cudaErrorInvalidDevicePointer, "invalid device pointer")                                      \
  X(cudaErrorInvalidMemcpyDirection, "invalid copy direction for memcpy")                         \
  X(cudaErrorInsufficientDriver, "CUDA driver version is insufficient for CUDA runtime version")  \
  X(cudaErrorNoDevice, "no CUDA-capable device is detected")                                      \
  X(cudaErrorInvalidDevice, "invalid device ordinal")                                             \
  X(cudaErrorInvalidResourceHandle, "invalid resource handle")                                    \
  X(cudaErrorIllegalState, "the operation cannot be performed in the present state")              \
  X(cudaErrorNotReady, "device not ready")                                                        \
  X(cudaErrorIllegalAddress, "an illegal memory access was encountered")                          \
  X(cudaErrorLaunchOutOfResources, "too many resources requested for launch")                     \
  X(cudaErrorLaunchFailure, "unspecified launch failure")                                         \
  X(cudaErrorNotSupported, "operation not supported")                                             \
  X(cudaErrorStreamCaptureUnsupported, "operation not permitted when stream is capturing")        \
  X(cudaErrorStreamCaptureInvalidated, "operation failed due to a previous error during capture") \
  X(cudaErrorStreamCaptureUnjoined, "capturing stream has unjoined work")                         \
  X(cudaErrorStreamCaptureImplicit, "dependency created on uncaptured work in another stream")    \
  X(cudaErrorUnknown, "unknown error")

const char* cudaGetErrorString(cudaError_t error) {
  switch (error) {
#define STRIATE_TEXT(code, text) \
  case code:                     \
    return text;
    STRIATE_ERRORS(STRIATE_TEXT)
#undef STRIATE_TEXT
  }
  return "unrecognized error code";
}
const char* cudaGetErrorName(cudaError_t error) {
  switch (error) {
#define STRIATE_NAME(code, text) \
  case code:                     \
    return #code;
    STRIATE_ERRORS(STRIATE_NAME)
#undef STRIATE_NAME
  }
  return "unrecognized error code";
}

// --- Memory ---------------------------------------------------------------------------------------------

cudaError_t cudaMalloc(void** p, std::size_t bytes) {
  Lock lock(runtime().mutex);
  Runtime& r = runtime();
  *p = nullptr;
  if (r.sticky != cudaSuccess) return r.sticky;
  if (r.capturing()) return r.refuseInCapture();
  ++r.counts.allocations;
  if (bytes == 0) return cudaSuccess;
  if (takeFault(r.faults.allocation)) return r.fail(cudaErrorMemoryAllocation);
  *p = card().memory.allocate(bytes);
  return *p == nullptr ? r.fail(cudaErrorMemoryAllocation) : cudaSuccess;
}

cudaError_t cudaFree(void* p) {
  Lock lock(runtime().mutex);
  Runtime& r = runtime();
  if (p == nullptr) return cudaSuccess;
  if (r.capturing()) return r.refuseInCapture();
  ++r.counts.frees;
  r.waitAll();  // as the real one does
  return card().memory.free(p) ? r.sticky : r.fail(cudaErrorInvalidValue);
}

cudaError_t cudaMallocAsync(void** p, std::size_t bytes, cudaStream_t stream) {
  Lock lock(runtime().mutex);
  Runtime& r = runtime();
  *p = nullptr;
  if (r.resolve(stream) == nullptr) return r.fail(cudaErrorInvalidResourceHandle);
  return cudaMalloc(p, bytes);
}

cudaError_t cudaFreeAsync(void* p, cudaStream_t stream) {
  Lock lock(runtime().mutex);
  Runtime& r = runtime();
  CUstream_st* s = r.resolve(stream);
  if (s == nullptr) return r.fail(cudaErrorInvalidResourceHandle);
  if (p == nullptr) return cudaSuccess;
  if (r.capturing()) return r.refuseInCapture();
  const Allocation* a = card().memory.find(p);
  if (a == nullptr || a->freed || a->offset(p) != 0) return r.fail(cudaErrorInvalidValue);
  ++r.counts.frees;
  Operation operation;
  operation.name = "cudaFreeAsync";
  operation.touches = {touch(p, a->bytes, true)};
  operation.run = [p] { return card().memory.free(p) ? cudaSuccess : cudaErrorInvalidValue; };
  return r.enqueue(s, std::move(operation));
}

cudaError_t cudaMallocHost(void** p, std::size_t bytes) {
  Lock lock(runtime().mutex);
  Runtime& r = runtime();
  *p = nullptr;
  if (r.sticky != cudaSuccess) return r.sticky;
  if (r.capturing()) return r.refuseInCapture();
  ++r.counts.hostAllocations;
  if (takeFault(r.faults.allocation)) return r.fail(cudaErrorMemoryAllocation);
  *p = std::calloc(bytes == 0 ? 1 : bytes, 1);
  if (*p == nullptr) return r.fail(cudaErrorMemoryAllocation);
  pinned()[static_cast<const char*>(*p)] = bytes;
  return cudaSuccess;
}

cudaError_t cudaFreeHost(void* p) {
  Lock lock(runtime().mutex);
  Runtime& r = runtime();
  if (p == nullptr) return cudaSuccess;
  if (pinned().erase(static_cast<const char*>(p)) == 0) return r.fail(cudaErrorInvalidValue);
  r.waitAll();
  std::free(p);
  return r.sticky;
}

cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total) {
  Lock lock(runtime().mutex);
  *total = card().memory.capacity();
  *free = card().memory.capacity() - card().memory.used();
  return runtime().sticky;
}

// The default pool keeps nothing back: what is freed is free at once.
cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t* pool, int device) {
  *pool = reinterpret_cast<cudaMemPool_t>(&card());
  return device == 0 ? cudaSuccess : runtime().fail(cudaErrorInvalidDevice);
}
cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t, cudaMemPoolAttr, void*) {
  return runtime().sticky;
}
cudaError_t cudaMemPoolGetAttribute(cudaMemPool_t, cudaMemPoolAttr, void* value) {
  *static_cast<unsigned long long*>(value) = card().memory.used();
  return runtime().sticky;
}
cudaError_t cudaMemPoolTrimTo(cudaMemPool_t, std::size_t) { return runtime().sticky; }

cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
  Lock lock(runtime().mutex);
  Runtime& r = runtime();
  CUstream_st* s = r.resolve(stream);
  if (s == nullptr) return r.fail(cudaErrorInvalidResourceHandle);
  if (bytes == 0) return r.sticky;
  if (const cudaError_t error = checkDirection(to, from, kind); error != cudaSuccess)
    return r.fail(error);
  ++r.counts.copies;
  Operation operation;
  operation.name = "cudaMemcpyAsync";
  if (card().memory.isDevicePointer(to)) operation.touches.push_back(touch(to, bytes, true));
  if (card().memory.isDevicePointer(from)) operation.touches.push_back(touch(from, bytes, false));
  // Pageable host memory is read before the call returns, pinned memory when the copy runs.
  const bool pageable = !card().memory.isDevicePointer(from) && !r.isPinned(from);
  if (pageable && s->captureOrigin == nullptr) {
    auto staged = std::make_shared<std::string>(static_cast<const char*>(from), bytes);
    operation.run = [to, staged] { return copyNow(to, staged->data(), staged->size()); };
  } else {
    operation.run = [to, from, bytes] { return copyNow(to, from, bytes); };
  }
  return r.enqueue(s, std::move(operation));
}

cudaError_t cudaMemcpy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) {
  Lock lock(runtime().mutex);
  Runtime& r = runtime();
  if (r.capturing()) return r.refuseInCapture();
  if (const cudaError_t error = cudaMemcpyAsync(to, from, bytes, kind, nullptr);
      error != cudaSuccess)
    return error;
  ++r.counts.synchronizations;
  return r.wait(r.resolve(nullptr));
}

cudaError_t cudaMemsetAsync(void* p, int value, std::size_t bytes, cudaStream_t stream) {
  Lock lock(runtime().mutex);
  Runtime& r = runtime();
  CUstream_st* s = r.resolve(stream);
  if (s == nullptr) return r.fail(cudaErrorInvalidResourceHandle);
  if (bytes == 0) return r.sticky;
  if (!card().memory.isDevicePointer(p)) return r.fail(cudaErrorInvalidValue);
  Operation operation;
  operation.name = "cudaMemsetAsync";
  operation.touches = {touch(p, bytes, true)};
  operation.run = [p, value, bytes] {
    std::memset(deviceBytes(p, bytes, "memset"), value, bytes);
    Allocation* a = card().memory.find(p);
    a->shadow->define(a->offset(p), bytes);
    return cudaSuccess;
  };
  return r.enqueue(s, std::move(operation));
}

cudaError_t cudaMemset(void* p, int value, std::size_t bytes) {
  if (runtime().capturing()) return runtime().refuseInCapture();
  return cudaMemsetAsync(p, value, bytes, nullptr);
}

// --- Streams and events ------------------------------------------------------------------------------------

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  Lock lock(runtime().mutex);
  if (runtime().sticky != cudaSuccess) return runtime().sticky;
  *stream = runtime().createStream((flags & cudaStreamNonBlocking) == 0);
  return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  Lock lock(runtime().mutex);
  CUstream_st* s = stream == nullptr ? nullptr : runtime().resolve(stream);
  return s == nullptr ? runtime().fail(cudaErrorInvalidResourceHandle) : runtime().destroyStream(s);
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  Lock lock(runtime().mutex);
  CUstream_st* s = runtime().resolve(stream);
  if (s == nullptr) return runtime().fail(cudaErrorInvalidResourceHandle);
  if (s->captureOrigin != nullptr) return runtime().refuseInCapture();
  ++runtime().counts.synchronizations;
  return runtime().wait(s);
}

cudaError_t cudaStreamQuery(cudaStream_t stream) {
  Lock lock(runtime().mutex);
  CUstream_st* s = runtime().resolve(stream);
  if (s == nullptr) return runtime().fail(cudaErrorInvalidResourceHandle);
  if (s->captureOrigin != nullptr) return runtime().refuseInCapture();
  if (runtime().sticky != cudaSuccess) return runtime().sticky;
  return s->pending.empty() ? cudaSuccess : cudaErrorNotReady;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  Lock lock(runtime().mutex);
  CUstream_st* s = runtime().resolve(stream);
  if (s == nullptr || event == nullptr) return runtime().fail(cudaErrorInvalidResourceHandle);
  return runtime().waitEvent(s, event);
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  if (runtime().sticky != cudaSuccess) return runtime().sticky;
  *event = new CUevent_st();
  return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  if (event == nullptr) return runtime().fail(cudaErrorInvalidResourceHandle);
  delete event;
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  Lock lock(runtime().mutex);
  CUstream_st* s = runtime().resolve(stream);
  if (s == nullptr || event == nullptr) return runtime().fail(cudaErrorInvalidResourceHandle);
  return runtime().record(event, s);
}
cudaError_t cudaEventQuery(cudaEvent_t event) {
  Lock lock(runtime().mutex);
  if (event == nullptr) return runtime().fail(cudaErrorInvalidResourceHandle);
  if (runtime().sticky != cudaSuccess) return runtime().sticky;
  return !event->recorded || event->stream->completed >= event->number ? cudaSuccess
                                                                       : cudaErrorNotReady;
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  Lock lock(runtime().mutex);
  if (event == nullptr) return runtime().fail(cudaErrorInvalidResourceHandle);
  if (event->captured) return runtime().refuseInCapture();
  ++runtime().counts.synchronizations;
  return event->recorded ? runtime().waitUpTo(event->stream, event->number) : runtime().sticky;
}
// The emulator has no clock worth reading: a time is the number of operations between.
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t end) {
  Lock lock(runtime().mutex);
  if (start == nullptr || end == nullptr || !start->recorded || !end->recorded)
    return runtime().fail(cudaErrorInvalidResourceHandle);
  if (cudaEventQuery(end) == cudaErrorNotReady) return cudaErrorNotReady;
  *milliseconds = static_cast<float>(end->number - start->number);
  return runtime().sticky;
}

// --- Graphs ------------------------------------------------------------------------------------------------

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  Lock lock(runtime().mutex);
  CUstream_st* s = runtime().resolve(stream);
  return s == nullptr ? runtime().fail(cudaErrorInvalidResourceHandle) : runtime().beginCapture(s);
}
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  Lock lock(runtime().mutex);
  CUstream_st* s = runtime().resolve(stream);
  return s == nullptr ? runtime().fail(cudaErrorInvalidResourceHandle)
                      : runtime().endCapture(s, graph);
}
cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t* nodes, std::size_t* count) {
  if (graph == nullptr) return runtime().fail(cudaErrorInvalidValue);
  if (nodes == nullptr) {
    *count = graph->nodes.size();
    return cudaSuccess;
  }
  return runtime().fail(cudaErrorNotSupported);
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* exec, cudaGraph_t graph, unsigned long long) {
  Lock lock(runtime().mutex);
  *exec = nullptr;
  if (graph == nullptr) return runtime().fail(cudaErrorInvalidValue);
  if (runtime().sticky != cudaSuccess) return runtime().sticky;
  if (takeFault(runtime().faults.allocation)) return runtime().fail(cudaErrorMemoryAllocation);
  *exec = new CUgraphExec_st{graph->nodes};
  return cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream) {
  Lock lock(runtime().mutex);
  Runtime& r = runtime();
  CUstream_st* s = r.resolve(stream);
  if (s == nullptr || exec == nullptr) return r.fail(cudaErrorInvalidResourceHandle);
  if (r.sticky != cudaSuccess) return r.sticky;
  if (takeFault(r.faults.launch))
    return r.faults.sticky ? r.failSticky(cudaErrorLaunchFailure)
                           : r.fail(cudaErrorLaunchOutOfResources);
  return r.launchGraph(*exec, s);
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) {
  delete exec;
  return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return cudaSuccess;
}

// --- Launches -------------------------------------------------------------------------------------------------

namespace striate::emulator {

bool Runtime::isPinned(const void* p) const {
  const char* address = static_cast<const char*>(p);
  const auto after = pinned().upper_bound(address);
  return after != pinned().begin() && address < std::prev(after)->first + std::prev(after)->second;
}

std::size_t Runtime::pinnedBlocks() const { return pinned().size(); }

cudaError_t setMaxDynamicShared(const void* function, std::size_t bytes) {
  Lock lock(runtime().mutex);
  if (bytes > kOptInShared) return runtime().fail(cudaErrorInvalidValue);
  runtime().maxDynamicShared[function] = bytes;
  return cudaSuccess;
}

cudaError_t launchKernel(const char* name, const void* function, int maxThreads, unsigned gridX,
                         unsigned gridY, unsigned gridZ, unsigned blockX, unsigned blockY,
                         unsigned blockZ, std::size_t dynamicShared, std::size_t parameterBytes,
                         cudaStream_t stream, std::function<void()> body) {
  Lock lock(runtime().mutex);
  Runtime& r = runtime();
  CUstream_st* s = r.resolve(stream);
  if (s == nullptr) return r.fail(cudaErrorInvalidResourceHandle);
  if (r.sticky != cudaSuccess) return r.sticky;
  const std::uint64_t threads = std::uint64_t(blockX) * blockY * blockZ;
  const bool configured = threads >= 1 && threads <= 1024 && blockX <= 1024 && blockY <= 1024 &&
                          blockZ <= 64 && gridX >= 1 && gridX <= 0x7fffffffu && gridY >= 1 &&
                          gridY <= 65535 && gridZ >= 1 && gridZ <= 65535 &&
                          parameterBytes <= kParameterBytes;
  if (!configured) return r.fail(cudaErrorInvalidConfiguration);
  if (threads > static_cast<std::uint64_t>(maxThreads))
    return r.fail(cudaErrorLaunchOutOfResources);
  const auto optedIn = r.maxDynamicShared.find(function);
  if (dynamicShared > (optedIn == r.maxDynamicShared.end() ? kStaticShared : optedIn->second))
    return r.fail(cudaErrorInvalidValue);
  ++r.counts.launches;
  if (takeFault(r.faults.launch))
    return r.faults.sticky ? r.failSticky(cudaErrorLaunchFailure)
                           : r.fail(cudaErrorLaunchOutOfResources);

  Launch launch;
  launch.kernel = name;
  launch.grid = {gridX, gridY, gridZ};
  launch.block = {blockX, blockY, blockZ};
  launch.dynamicShared = dynamicShared;
  launch.body = std::move(body);
  launch.declared = r.declared;
  Operation operation;
  operation.name = name;
  if (launch.declared)
    for (const DeclaredRange& range : *launch.declared)
      operation.touches.push_back({range.begin, range.end, range.writable});
  operation.run = [launch = std::move(launch)] {
    Runtime& state = runtime();
    runGrid(launch, state.schedule, state.counting ? &state.kernels[launch.kernel] : nullptr);
    return cudaSuccess;
  };
  return r.enqueue(s, std::move(operation));
}

}  // namespace striate::emulator
