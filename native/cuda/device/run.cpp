// Runs of programs: captured the first time, replayed after that.
#include <algorithm>
#include <cstring>

#include "cuda/device/device.h"

namespace striate::cuda {

namespace {

// Graphs kept by a device; the one unused for longest goes first.
constexpr std::size_t kMostGraphs = 64;

constexpr std::uint64_t kLine = 64;

std::uint64_t lines(std::uint64_t bytes) { return (bytes + kLine - 1) / kLine * kLine; }

cudaError_t instantiate(cudaGraphExec_t* exec, cudaGraph_t graph) {
#if defined(CUDART_VERSION) && CUDART_VERSION < 12000
  return cudaGraphInstantiateWithFlags(exec, graph, 0);
#else
  return cudaGraphInstantiate(exec, graph, 0);
#endif
}

}  // namespace

CudaDevice::Recorded::~Recorded() {
  if (graph != nullptr) cudaGraphExecDestroy(graph);
}

bool CudaDevice::Recorded::matches(const StriateSequence& s) const {
  if (owner != s.owner || n != s.n || slot != s.slot || begin != s.begin || end != s.end)
    return false;
  if (sources.size() != s.readbackCount) return false;
  for (std::size_t i = 0; i < sources.size(); ++i)
    if (sources[i].from != s.readbacks[i].from || sources[i].bytes != s.readbacks[i].bytes)
      return false;
  return true;
}

CudaDevice::Recorded* CudaDevice::find(const StriateSequence& s) {
  std::lock_guard<std::mutex> lock(recordedMutex_);
  const auto found = std::find_if(recorded_.begin(), recorded_.end(),
                                  [&](const Recorded& r) { return r.matches(s); });
  if (found == recorded_.end()) return nullptr;
  recorded_.splice(recorded_.begin(), recorded_, found);
  return &recorded_.front();
}

CudaDevice::Recorded& CudaDevice::add(const StriateSequence& s) {
  std::lock_guard<std::mutex> lock(recordedMutex_);
  if (recorded_.size() == kMostGraphs) recorded_.pop_back();
  recorded_.emplace_front();
  describe(recorded_.front(), s);
  return recorded_.front();
}

void CudaDevice::drop(const Recorded* recorded) {
  std::lock_guard<std::mutex> lock(recordedMutex_);
  recorded_.remove_if([&](const Recorded& r) { return &r == recorded; });
}

void CudaDevice::forget(std::uint64_t owner) {
  std::lock_guard<std::mutex> capture(captureMutex());
  std::lock_guard<std::mutex> lock(recordedMutex_);
  recorded_.remove_if([&](const Recorded& r) { return r.owner == owner; });
}

void CudaDevice::describe(Recorded& recorded, const StriateSequence& s) {
  recorded.owner = s.owner;
  recorded.n = s.n;
  recorded.slot = s.slot;
  recorded.begin = s.begin;
  recorded.end = s.end;
  recorded.sources.clear();
  for (std::uint64_t i = 0; i < s.readbackCount; ++i)
    recorded.sources.push_back({s.readbacks[i].from, s.readbacks[i].bytes});
}

void CudaDevice::reserve(Recorded& recorded) {
  std::uint64_t bytes = lines(sizeof(Control));
  for (const auto& source : recorded.sources) bytes += lines(source.bytes);
  if (recorded.results.bytes() < bytes) recorded.results = Pinned(bytes);
}

// --- The control block -------------------------------------------------------------------------------

// The copy from pinned memory waits for the work that reads the block: a run, or an eager op.
void CudaDevice::setControl(const Control& control) {
  std::memcpy(pinnedControl_.data(), &control, sizeof control);
  controlPending_ = true;
}

void CudaDevice::uploadControl() {
  check(cudaMemcpyAsync(control_, pinnedControl_.data(), sizeof(Control), cudaMemcpyHostToDevice,
                        compute_),
        "upload of the control block");
  controlPending_ = false;
}

Control CudaDevice::control() {
  if (controlPending_) uploadControl();
  Control control;
  download(&control, control_, sizeof control);
  return control;
}

// --- A run ---------------------------------------------------------------------------------------------

// True: the instructions are to be issued now.
bool CudaDevice::begin(const StriateSequence& s, const Control& control) {
  cancel();
  setControl(control);
  std::uint64_t offset = 0;
  // Outside the graph: which upload it waits for changes from run to run.
  if (Slot* slot = slotAt(s.slotData, offset)) slot->uploaded.orderBefore(compute_);
  timing_ = s.times != nullptr;
  if (timing_ || synchronous_) {
    mode_ = Mode::Plain;
    describe(plain_, s);
    reserve(plain_);
    current_ = &plain_;
    uploadControl();
    marks_ = 0;
    if (timing_) markTime(0);
    return true;
  }
  if (Recorded* known = find(s)) {
    mode_ = Mode::Replaying;
    current_ = known;
    controlPending_ = false;
    launch(*known);
    return false;
  }
  capture_ = std::unique_lock<std::mutex>(captureMutex());
  current_ = &add(s);
  mode_ = Mode::Recording;
  reserve(*current_);
  check(cudaStreamBeginCapture(compute_, cudaStreamCaptureModeThreadLocal),
        "cudaStreamBeginCapture");
  uploadControl();
  return true;
}

Control CudaDevice::end(const StriateSequence& s) {
  try {
    const Recorded& run = *current_;
    if (mode_ == Mode::Recording) {
      readBack(run);
      finishCapture(*current_);
      launch(run);
    } else if (mode_ == Mode::Plain) {
      readBack(run);
    }
    std::uint64_t offset = 0;
    Slot* slot = slotAt(s.slotData, offset);
    if (slot != nullptr) slot->read.record(compute_);
    done_.record(compute_);
    done_.synchronize(mode_ == Mode::Plain ? "waiting for the step"
                                           : "waiting for the step's graph");
    if (slot != nullptr) slot->pending.clear();

    Control control;
    const char* results = run.results.data();
    std::memcpy(&control, results, sizeof control);
    results += lines(sizeof control);
    for (std::uint64_t i = 0; i < s.readbackCount; ++i) {
      std::memcpy(s.readbacks[i].to, results, s.readbacks[i].bytes);
      results += lines(s.readbacks[i].bytes);
    }
    for (std::size_t i = 0; timing_ && i + 1 < marks_; ++i) {
      float milliseconds = 0;
      check(cudaEventElapsedTime(&milliseconds, times_[i], times_[i + 1]), "cudaEventElapsedTime");
      s.times[i] = static_cast<double>(milliseconds) * 1e6;
    }
    mode_ = Mode::Idle;
    timing_ = false;
    current_ = nullptr;
    return control;
  } catch (...) {
    cancel();
    throw;
  }
}

// Leaves no capture open and keeps no half-made graph.
void CudaDevice::cancel() {
  if (mode_ == Mode::Recording) {
    cudaGraph_t graph = nullptr;
    cudaStreamEndCapture(compute_, &graph);
    if (graph != nullptr) cudaGraphDestroy(graph);
    cudaGetLastError();
    drop(current_);
  }
  if (capture_.owns_lock()) capture_.unlock();
  mode_ = Mode::Idle;
  timing_ = false;
  current_ = nullptr;
}

void CudaDevice::readBack(const Recorded& run) {
  char* to = run.results.data();
  const auto copy = [&](const void* from, std::uint64_t bytes) {
    if (bytes > 0)
      check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, compute_),
            "copy of an output to the host");
    to += lines(bytes);
  };
  copy(control_, sizeof(Control));
  for (const auto& source : run.sources) copy(source.from, source.bytes);
}

void CudaDevice::finishCapture(Recorded& run) {
  cudaGraph_t graph = nullptr;
  check(cudaStreamEndCapture(compute_, &graph), "cudaStreamEndCapture");
  const cudaError_t error = instantiate(&run.graph, graph);
  cudaGraphDestroy(graph);
  check(error, "cudaGraphInstantiate");
  capture_.unlock();
}

void CudaDevice::launch(const Recorded& run) {
  check(cudaGraphLaunch(run.graph, compute_), "cudaGraphLaunch");
}

void CudaDevice::markTime(std::size_t mark) {
  while (times_.size() <= mark) times_.emplace_back(cudaEventDefault);
  times_[mark].record(compute_);
  marks_ = mark + 1;
}

}  // namespace striate::cuda
