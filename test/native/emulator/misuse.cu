// Every misuse that the emulator promises to find, planted in a kernel or a sequence of calls. Each check
// runs the misuse on a fresh state and compares the finding; the right twin of each must run clean.
// Prints one line a check and a closing count; exits with 1 when a check fails.
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>

#include "checks.h"
#include "cuda/access.h"

using namespace striate;
using namespace striate::test;
using cuda::load;
using cuda::store;

namespace {

// --- Kernels ----------------------------------------------------------------------------------------------

__global__ void __launch_bounds__(64) fillKernel(float* y, int n) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < n) store(y + i, 1.0f);
}
__global__ void __launch_bounds__(64) copyKernel(const float* x, float* y, int shift) {
  const int i = static_cast<int>(threadIdx.x);
  store(y + i, load(x + i + shift));
}
__global__ void __launch_bounds__(64) vectorKernel(const float* x, float* y) {
  store(reinterpret_cast<float4*>(y), load(reinterpret_cast<const float4*>(x + threadIdx.x)));
}
__global__ void __launch_bounds__(64) divergentBarrierKernel(float* y, bool all) {
  if (all || threadIdx.x < 10) __syncthreads();
  store(y + threadIdx.x, 1.0f);
}
__global__ void __launch_bounds__(64) reverseKernel(float* y, bool barrier) {
  STRIATE_SHARED(float, tile, 64);
  store(tile + threadIdx.x, 0.0f);
  __syncthreads();
  store(tile + threadIdx.x, static_cast<float>(threadIdx.x));
  if (barrier) __syncthreads();
  store(y + threadIdx.x, load(tile + 63 - threadIdx.x));
}
// A second write of the tile needs a barrier after the reads.
__global__ void __launch_bounds__(64) reuseKernel(float* y, bool barrier) {
  STRIATE_SHARED(float, tile, 64);
  store(tile + threadIdx.x, 1.0f);
  __syncthreads();
  const float value = load(tile + (threadIdx.x + 1) % 64);
  if (barrier) __syncthreads();
  store(tile + threadIdx.x, value);
  store(y + threadIdx.x, value);
}
__global__ void __launch_bounds__(64) uninitialisedSharedKernel(float* y) {
  STRIATE_SHARED(float, tile, 128);
  store(tile + threadIdx.x, 1.0f);
  __syncthreads();
  store(y + threadIdx.x, load(tile + threadIdx.x + 1));
}
__global__ void __launch_bounds__(32) warpReverseKernel(float* y, bool sync) {
  STRIATE_SHARED(float, tile, 32);
  store(tile + threadIdx.x, 0.0f);
  __syncthreads();
  store(tile + threadIdx.x, static_cast<float>(threadIdx.x));
  if (sync) __syncwarp();
  store(y + threadIdx.x, load(tile + 31 - threadIdx.x));
}
__global__ void __launch_bounds__(64) blockRaceKernel(float* y, bool apart) {
  store(y + threadIdx.x + (apart ? blockIdx.x * blockDim.x : 0), 1.0f);
}
__global__ void __launch_bounds__(64) neighbourKernel(float* y) {
  const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  store(y + i, 1.0f);
  if (threadIdx.x == 0 && blockIdx.x > 0) store(y, load(y + (blockIdx.x - 1) * blockDim.x + 63));
}
__global__ void __launch_bounds__(64) byteNeighbourKernel(unsigned char* y, bool same) {
  store(y + (same ? 0 : threadIdx.x), static_cast<unsigned char>(threadIdx.x));
}
__global__ void __launch_bounds__(32) shuffleKernel(float* y, unsigned mask, unsigned lanes) {
  float v = static_cast<float>(threadIdx.x);
  if (threadIdx.x < lanes) v = __shfl_down_sync(mask, v, 1);
  store(y + threadIdx.x, v);
}
__global__ void __launch_bounds__(32) reduceKernel(float* y) {
  float v = static_cast<float>(threadIdx.x);
  for (int d = 16; d > 0; d /= 2) v += __shfl_xor_sync(0xffffffffu, v, d);
  const unsigned odd = __ballot_sync(0xffffffffu, threadIdx.x & 1);
  store(y + threadIdx.x, v + (odd == 0xaaaaaaaau ? 0.0f : 1000.0f));
}
__global__ void __launch_bounds__(64) atomicKernel(int* y) { atomicAdd(y, 1); }
__global__ void __launch_bounds__(64) sharedTooLargeKernel(float* y) {
  STRIATE_SHARED(float, tile, 20000);
  store(tile + threadIdx.x, 1.0f);
  store(y + threadIdx.x, load(tile + threadIdx.x));
}

void kernels() {
  float* x = allocate(256);
  float* y = allocate(4096);
  expect("a right kernel", "", [&] { cuda::launch<64>("fill", fillKernel, grid(4, 64), nullptr, y, 200); });
  expect("out of bounds", "outside any allocation", [&] { cuda::launch<64>("copy", copyKernel, grid(1, 64), nullptr, x, y, 250); });
  expect("use after free", "use after free", [&] {
    float* gone = allocate(64);
    cudaFree(gone);
    cuda::launch<64>("copy", copyKernel, grid(1, 64), nullptr, gone, y, 0);
  });
  expect("host pointer in a kernel", "host access", [&] {
    static float host[64];
    cuda::launch<64>("copy", copyKernel, grid(1, 64), nullptr, static_cast<const float*>(host), y, 0);
  });
  expect("misaligned vector", "misaligned", [&] { cuda::launch<64>("vector", vectorKernel, grid(1, 2), nullptr, x, y); });
  expect("uninitialised global", "uninitialised", [&] {
    float* fresh = allocate(64, false);
    cuda::launch<64>("copy", copyKernel, grid(1, 64), nullptr, fresh, y, 0);
    cudaFree(fresh);
  });
  expect("outside the declared buffers", "outside the declared", [&] {
    const auto begin = reinterpret_cast<std::uintptr_t>(x), out = reinterpret_cast<std::uintptr_t>(y);
    Runtime::instance().declared = std::make_shared<std::vector<emulator::DeclaredRange>>(
        std::vector<emulator::DeclaredRange>{{begin, begin + 128, false}, {out, out + 256, true}});
    cuda::launch<64>("copy", copyKernel, grid(1, 64), nullptr, x, y, 0);
  });
  expect("a write to what is declared for reading", "outside the declared", [&] {
    const auto out = reinterpret_cast<std::uintptr_t>(y);
    Runtime::instance().declared = std::make_shared<std::vector<emulator::DeclaredRange>>(
        std::vector<emulator::DeclaredRange>{{out, out + 256, false}});
    cuda::launch<64>("fill", fillKernel, grid(1, 64), nullptr, y, 64);
  });
  expect("a barrier for some", "barrier not reached", [&] { cuda::launch<64>("divergent", divergentBarrierKernel, grid(1, 64), nullptr, y, false); });
  expect("a barrier for all", "", [&] { cuda::launch<64>("divergent", divergentBarrierKernel, grid(1, 64), nullptr, y, true); });
  expect("shared race", "race in shared", [&] { cuda::launch<64>("reverse", reverseKernel, grid(1, 64), nullptr, y, false); });
  expect("shared with a barrier", "", [&] { cuda::launch<64>("reverse", reverseKernel, grid(1, 64), nullptr, y, true); });
  expect("shared overwritten too early", "race in shared", [&] { cuda::launch<64>("reuse", reuseKernel, grid(1, 64), nullptr, y, false); });
  expect("shared overwritten in time", "", [&] { cuda::launch<64>("reuse", reuseKernel, grid(1, 64), nullptr, y, true); });
  expect("uninitialised shared", "uninitialised", [&] { cuda::launch<64>("uninitialised", uninitialisedSharedKernel, grid(1, 64), nullptr, y); });
  expect("missing __syncwarp", "race in shared", [&] { cuda::launch<32>("warp", warpReverseKernel, grid(1, 32), nullptr, y, false); });
  expect("with __syncwarp", "", [&] { cuda::launch<32>("warp", warpReverseKernel, grid(1, 32), nullptr, y, true); });
  expect("blocks write the same", "race in global", [&] { cuda::launch<64>("race", blockRaceKernel, grid(2, 64), nullptr, y, false); });
  expect("blocks write apart", "", [&] { cuda::launch<64>("race", blockRaceKernel, grid(2, 64), nullptr, y, true); });
  expect("a block reads another's", "race in global", [&] { cuda::launch<64>("neighbour", neighbourKernel, grid(2, 64), nullptr, y); });
  expect("neighbouring bytes", "", [&] { cuda::launch<64>("bytes", byteNeighbourKernel, grid(1, 64), nullptr, reinterpret_cast<unsigned char*>(y), false); });
  expect("the same byte", "race in global", [&] { cuda::launch<64>("bytes", byteNeighbourKernel, grid(1, 64), nullptr, reinterpret_cast<unsigned char*>(y), true); });
  expect("a mask with lanes elsewhere", "partial mask", [&] { cuda::launch<32>("shuffle", shuffleKernel, grid(1, 32), nullptr, y, 0xffffffffu, 16u); });
  expect("a shuffle from a lane outside the mask", "undefined lane", [&] { cuda::launch<32>("shuffle", shuffleKernel, grid(1, 32), nullptr, y, 0x0000ffffu, 16u); });
  expect("atomics", "", [&] { cuda::launch<64>("atomic", atomicKernel, grid(4, 64), nullptr, reinterpret_cast<int*>(x)); });
  expect("too much static shared memory", "limit exceeded", [&] { cuda::launch<64>("large", sharedTooLargeKernel, grid(1, 64), nullptr, y); });

  expect("a warp reduction", "", [&] { cuda::launch<32>("reduce", reduceKernel, grid(1, 32), nullptr, y); });
  reset();
  cuda::launch<32>("reduce", reduceKernel, grid(1, 32), nullptr, y);
  float sums[32];
  cudaMemcpy(sums, y, sizeof sums, cudaMemcpyDeviceToHost);
  bool all = true;
  for (const float s : sums) all = all && s == 496.0f;
  report("its sum in every lane", all, std::to_string(sums[0]));
  cudaFree(x);
  cudaFree(y);
}

// --- Limits -------------------------------------------------------------------------------------------------

void limits() {
  float* y = allocate(4096);
  const auto launch = [&](const cuda::Geometry& g) { return cuda::launch<64>("fill", fillKernel, g, nullptr, y, 1); };
  expectError("block larger than its launch bounds", cudaErrorLaunchOutOfResources, [&] { return launch(grid(1, 128)); });
  expectError("block of 2048", cudaErrorInvalidConfiguration, [&] { return launch(grid(1, 2048)); });
  expectError("block z of 128", cudaErrorInvalidConfiguration, [&] { return launch({dim3(1), dim3(1, 1, 128), 0}); });
  expectError("empty grid", cudaErrorInvalidConfiguration, [&] { return launch(grid(0, 64)); });
  expectError("grid y of 70000", cudaErrorInvalidConfiguration, [&] { return launch({dim3(1, 70000), dim3(64), 0}); });
  expectError("dynamic shared memory without opt-in", cudaErrorInvalidValue, [&] { return launch({dim3(1), dim3(64), 50000}); });
  expectError("opt-in beyond the architecture", cudaErrorInvalidValue, [&] {
    return cudaFuncSetAttribute(fillKernel, cudaFuncAttributeMaxDynamicSharedMemorySize, 200000);
  });
  expectError("dynamic shared memory with opt-in", cudaSuccess, [&] {
    cudaFuncSetAttribute(fillKernel, cudaFuncAttributeMaxDynamicSharedMemorySize, 60000);
    return launch({dim3(1), dim3(64), 50000});
  });
  expectError("more memory than the card has", cudaErrorMemoryAllocation, [] {
    void* p = nullptr;
    return cudaMalloc(&p, std::size_t(1) << 40);
  });
  cudaFree(y);
}

// --- Streams and graphs -----------------------------------------------------------------------------------------

void streams() {
  float* x = allocate(64);
  float* y = allocate(64);
  cudaStream_t copy = nullptr, compute = nullptr;
  cudaStreamCreateWithFlags(&copy, cudaStreamNonBlocking);
  cudaStreamCreateWithFlags(&compute, cudaStreamNonBlocking);
  cudaEvent_t ready = nullptr;
  cudaEventCreateWithFlags(&ready, cudaEventDisableTiming);
  float* host = nullptr;
  cudaMallocHost(reinterpret_cast<void**>(&host), 256);
  cudaDeviceSynchronize();

  const auto declare = [&] {
    const auto in = reinterpret_cast<std::uintptr_t>(x), out = reinterpret_cast<std::uintptr_t>(y);
    Runtime::instance().declared = std::make_shared<std::vector<emulator::DeclaredRange>>(
        std::vector<emulator::DeclaredRange>{{in, in + 256, false}, {out, out + 256, true}});
  };
  expect("a copy and its use without an event", "missing stream order", [&] {
    cudaMemcpyAsync(x, host, 256, cudaMemcpyHostToDevice, copy);
    declare();
    cuda::launch<64>("copy", copyKernel, grid(1, 64), compute, x, y, 0);
  });
  expect("a copy and its use with an event", "", [&] {
    cudaMemcpyAsync(x, host, 256, cudaMemcpyHostToDevice, copy);
    cudaEventRecord(ready, copy);
    cudaStreamWaitEvent(compute, ready, 0);
    declare();
    cuda::launch<64>("copy", copyKernel, grid(1, 64), compute, x, y, 0);
  });
  // A copy from pinned memory reads it when it runs: at the last legal moment it sees what came later.
  for (const auto& [timing, expected] : {std::pair{Timing::Late, 2.0f}, std::pair{Timing::Early, 1.0f}}) {
    reset();
    Runtime::instance().timing = timing;
    host[0] = 1;
    cudaMemcpyAsync(x, host, 4, cudaMemcpyHostToDevice, copy);
    host[0] = 2;  // too early
    cudaStreamSynchronize(copy);
    const float seen = download(x, 1)[0];
    report(timing == Timing::Late ? "a pinned buffer changed too early is seen, late" : "a copy runs at once, early",
           seen == expected, std::to_string(seen));
    // The host reads the target before it waits: only a copy that ran at once has arrived.
    reset();
    Runtime::instance().timing = timing;
    host[1] = 0;
    cudaMemcpyAsync(host + 1, x, 4, cudaMemcpyDeviceToHost, copy);
    const float before = host[1];
    cudaStreamSynchronize(copy);
    report(timing == Timing::Late ? "a result read too early is missed, late" : "a result is there at once, early",
           before == (timing == Timing::Late ? 0.0f : expected) && host[1] == expected, std::to_string(before));
  }
  reset();
  float pageable = 1;
  cudaMemcpyAsync(x, &pageable, 4, cudaMemcpyHostToDevice, copy);
  pageable = 2;
  cudaStreamSynchronize(copy);
  report("pageable memory is read before the call returns", download(x, 1)[0] == 1, std::to_string(download(x, 1)[0]));

  reset();
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t exec = nullptr;
  cudaStreamBeginCapture(compute, cudaStreamCaptureModeGlobal);
  cudaMemcpyAsync(x, host, 256, cudaMemcpyHostToDevice, compute);
  declare();
  cuda::launch<64>("copy", copyKernel, grid(1, 64), compute, x, y, 0);
  const bool captured = cudaStreamEndCapture(compute, &graph) == cudaSuccess;
  std::size_t nodes = 0;
  cudaGraphGetNodes(graph, nullptr, &nodes);
  cudaGraphInstantiate(&exec, graph, 0);
  for (int i = 0; i < 64; ++i) host[i] = static_cast<float>(i);
  cudaGraphLaunch(exec, compute);
  cudaStreamSynchronize(compute);
  const std::vector<float> result = download(y, 64);
  report("a graph of two nodes replays", captured && nodes == 2 && result[63] == 63, std::to_string(nodes));
  host[63] = 7;
  cudaGraphLaunch(exec, compute);
  cudaStreamSynchronize(compute);
  report("a replay reads pinned memory anew", download(y, 64)[63] == 7, std::to_string(download(y, 64)[63]));
  cudaGraphExecDestroy(exec);
  cudaGraphDestroy(graph);

  expectError("cudaMalloc while capturing", cudaErrorStreamCaptureUnsupported, [&] {
    cudaStreamBeginCapture(compute, cudaStreamCaptureModeGlobal);
    void* p = nullptr;
    const cudaError_t error = cudaMalloc(&p, 16);
    cudaStreamEndCapture(compute, &graph);
    return error;
  });
  expectError("synchronising a capturing stream invalidates the capture", cudaErrorStreamCaptureInvalidated, [&] {
    cudaStreamBeginCapture(compute, cudaStreamCaptureModeGlobal);
    cudaStreamSynchronize(compute);
    return cudaStreamEndCapture(compute, &graph);
  });
  expectError("an unjoined stream", cudaErrorStreamCaptureUnjoined, [&] {
    cudaStreamBeginCapture(compute, cudaStreamCaptureModeGlobal);
    cudaEventRecord(ready, compute);
    cudaStreamWaitEvent(copy, ready, 0);
    cudaMemcpyAsync(x, host, 256, cudaMemcpyHostToDevice, copy);
    return cudaStreamEndCapture(compute, &graph);
  });
  cudaFreeHost(host);
  cudaEventDestroy(ready);
  cudaStreamDestroy(copy);
  cudaStreamDestroy(compute);
  cudaFree(x);
  cudaFree(y);
}

// A step is captured once; what changes from step to step lies in a block of device memory.
struct StepControl {
  float rate;
  int commit;
};
__global__ void __launch_bounds__(64) steppedKernel(const StepControl* control, float* y) {
  if (load(&control->commit) != 0) store(y + threadIdx.x, load(static_cast<const float*>(y) + threadIdx.x) + load(&control->rate));
}

void replays() {
  float* const y = allocate(64);
  auto* const control = reinterpret_cast<StepControl*>(allocate(2));
  cudaStream_t stream = nullptr;
  cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking);
  cudaDeviceSynchronize();
  reset();
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t exec = nullptr;
  cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal);
  cuda::launch<64>("stepped", steppedKernel, grid(1, 64), stream, static_cast<const StepControl*>(control), y);
  cudaStreamEndCapture(stream, &graph);
  cudaGraphInstantiate(&exec, graph, 0);
  report("capturing runs nothing", download(y, 1)[0] == 0, std::to_string(download(y, 1)[0]));
  for (const StepControl step : {StepControl{0.5f, 1}, StepControl{8.0f, 0}, StepControl{0.25f, 1}}) {
    cudaMemcpyAsync(control, &step, sizeof step, cudaMemcpyHostToDevice, stream);
    cudaGraphLaunch(exec, stream);
  }
  cudaStreamSynchronize(stream);
  const std::vector<float> sums = download(y, 64);
  report("replays read the changed control block", sums[0] == 0.75f && sums[63] == 0.75f, std::to_string(sums[0]));
  const auto graphs = Runtime::instance().counts.graphLaunches;
  report("graph launches are counted", graphs >= 3, std::to_string(graphs));
  cudaGraphExecDestroy(exec);
  cudaGraphDestroy(graph);
  cudaStreamDestroy(stream);
  cudaFree(control);
  cudaFree(y);
}

// --- The host and device memory ----------------------------------------------------------------------------------

// How a child process ends that runs `body`: the number of its signal, or 0.
int signalOf(const std::function<void()>& body) {
  std::fflush(stdout);
  const pid_t child = fork();
  if (child == 0) {
    std::signal(SIGSEGV, SIG_DFL);
    std::signal(SIGBUS, SIG_DFL);
    body();
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

void hostAccess() {
  float* const y = allocate(64);
  volatile float* const device = y;
  reset();
  const int reading = signalOf([&] { (void)*device; });
  report("the host reads device memory and faults", reading == SIGSEGV || reading == SIGBUS, std::to_string(reading));
  const int writing = signalOf([&] { *device = 1; });
  report("the host writes device memory and faults", writing == SIGSEGV || writing == SIGBUS, std::to_string(writing));
  const int copying = signalOf([&] { std::memset(y, 0, 4); });
  report("memset of device memory faults", copying == SIGSEGV || copying == SIGBUS, std::to_string(copying));
  const int neither = signalOf([] {});
  report("a child that touches nothing ends well", neither == 0, std::to_string(neither));
  cudaFree(y);
}

// --- Faults -------------------------------------------------------------------------------------------------------

void faults() {
  float* y = allocate(64);
  expectError("the second allocation fails", cudaErrorMemoryAllocation, [] {
    Runtime::instance().faults.allocation = 2;
    void *a = nullptr, *b = nullptr;
    cudaMalloc(&a, 16);
    const cudaError_t error = cudaMalloc(&b, 16);
    cudaFree(a);
    return error;
  });
  expectError("a launch fails, the next works", cudaSuccess, [&] {
    Runtime::instance().faults.launch = 1;
    const bool refused = cuda::launch<64>("fill", fillKernel, grid(1, 64), nullptr, y, 64) == cudaErrorLaunchOutOfResources;
    return refused ? cuda::launch<64>("fill", fillKernel, grid(1, 64), nullptr, y, 64) : cudaErrorUnknown;
  });
  expectError("after a sticky error everything fails", cudaErrorLaunchFailure, [&] {
    Runtime::instance().faults.launch = 1;
    Runtime::instance().faults.sticky = true;
    cuda::launch<64>("fill", fillKernel, grid(1, 64), nullptr, y, 64);
    void* p = nullptr;
    return cudaMalloc(&p, 16);
  });
  cudaFree(y);
}

// --- Counting -------------------------------------------------------------------------------------------------------

__global__ void __launch_bounds__(32) stridedKernel(const float* x, float* y, int stride) {
  store(y + threadIdx.x, load(x + threadIdx.x * static_cast<unsigned>(stride)));
}
__global__ void __launch_bounds__(32) bankKernel(float* y, int stride) {
  STRIATE_SHARED(float, tile, 1056);
  store(tile + threadIdx.x * static_cast<unsigned>(stride), 1.0f);
  __syncthreads();
  store(y + threadIdx.x, load(tile + threadIdx.x * static_cast<unsigned>(stride)));
}

void counting() {
  float* x = allocate(1024);
  float* y = allocate(64);
  reset();
  Runtime& r = Runtime::instance();
  r.counting = true;
  cuda::launch<32>("contiguous", stridedKernel, grid(1, 32), nullptr, x, y, 1);
  cuda::launch<32>("strided", stridedKernel, grid(1, 32), nullptr, x, y, 8);
  cuda::launch<32>("conflicts", bankKernel, grid(1, 32), nullptr, y, 32);
  cuda::launch<32>("padded", bankKernel, grid(1, 32), nullptr, y, 33);
  r.waitAll();
  r.counting = false;
  report("32 neighbouring floats are 4 sectors each way", r.kernels["contiguous"].sectors == 8,
         std::to_string(r.kernels["contiguous"].sectors));
  report("a stride of 32 bytes is a sector a lane", r.kernels["strided"].sectors == 32 + 4 && r.kernels["strided"].perfectSectors == 8,
         std::to_string(r.kernels["strided"].sectors));
  report("a stride of 32 words conflicts", r.kernels["conflicts"].bankConflicts == 62,
         std::to_string(r.kernels["conflicts"].bankConflicts));
  report("a stride of 33 words does not", r.kernels["padded"].bankConflicts == 0,
         std::to_string(r.kernels["padded"].bankConflicts));
  cudaFree(x);
  cudaFree(y);
}

}  // namespace

int main() {
  kernels();
  limits();
  streams();
  replays();
  hostAccess();
  faults();
  counting();
  return finish();
}
