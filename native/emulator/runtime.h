// The state behind the emulated CUDA runtime, and what tests may ask and change.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "emulator/grid.h"
#include "emulator/stream.h"

namespace striate::emulator {

// The n-th call of a kind fails (1 is the next one); 0: none does.
struct Faults {
  std::uint64_t allocation = 0;
  std::uint64_t launch = 0;  // kernels and library calls
  bool sticky = false;       // the failing launch makes the context unusable
};

struct Counts {
  std::uint64_t allocations = 0;
  std::uint64_t frees = 0;
  std::uint64_t hostAllocations = 0;
  std::uint64_t synchronizations = 0;  // of the host with a stream, an event or the device
  std::uint64_t launches = 0;
  std::uint64_t graphLaunches = 0;
  std::uint64_t copies = 0;
  std::uint64_t blasCalls = 0;
};

// Rows of bytes whose contents an instruction replaces without reading them.
struct Overwritten {
  std::uintptr_t begin;
  std::uint64_t rowBytes;
  std::uint64_t rows;
  std::uint64_t pitch;
};

class Runtime {
 public:
  static Runtime& instance();

  // Every API call holds this.
  std::recursive_mutex mutex;

  cudaError_t sticky = cudaSuccess;
  cudaError_t last = cudaSuccess;
  std::string finding;  // text of the latest finding; empty: none
  Faults faults;
  Counts counts;
  Timing timing = Timing::Late;
  Schedule schedule;
  bool counting = false;
  std::map<std::string, LaunchCount> kernels;  // by name, while counting
  std::unordered_map<const void*, std::size_t> maxDynamicShared;
  std::shared_ptr<const std::vector<DeclaredRange>>
      declared;  // of the instruction that is being issued

  std::vector<Overwritten>
      overwritten;  // of the same: they hold no value when its first operation starts
  std::vector<std::string> latestGraph;  // names of the nodes of the latest graph launch

  CUstream_st* resolve(cudaStream_t stream);
  CUstream_st* createStream(bool blocking);
  cudaError_t destroyStream(CUstream_st* stream);

  // Puts an operation at the end of a stream, or into the graph that the stream captures.
  cudaError_t enqueue(CUstream_st* stream, Operation operation);
  cudaError_t wait(CUstream_st* stream);  // the host waits for all of a stream
  cudaError_t waitUpTo(CUstream_st* stream, std::uint64_t number);
  cudaError_t waitAll();
  cudaError_t record(CUevent_st* event, CUstream_st* stream);
  cudaError_t waitEvent(CUstream_st* stream, CUevent_st* event);
  cudaError_t beginCapture(CUstream_st* stream);
  cudaError_t endCapture(CUstream_st* stream, CUgraph_st** graph);
  cudaError_t launchGraph(const CUgraphExec_st& exec, CUstream_st* stream);
  bool capturing() const { return captures_ > 0; }
  // A call that is forbidden while any stream captures: invalidates the capture.
  cudaError_t refuseInCapture();

  cudaError_t fail(cudaError_t error);        // remembers it as the last error
  cudaError_t failSticky(cudaError_t error);  // the context is lost
  bool isPinned(const void* p) const;
  std::size_t pinnedBlocks() const;

 private:
  Runtime();
  void drain(CUstream_st* stream, std::uint64_t number);
  void execute(CUstream_st* stream, Operation& operation);
  void forgetOrdered();
  void requireOrder(const CUstream_st& stream, const Operation& operation);

  struct Access {
    Touch touch;
    std::size_t stream;
    std::uint64_t number;
    std::string name;
  };
  std::vector<std::unique_ptr<CUstream_st>> streams_;  // 0: the legacy default stream
  std::vector<Access> accesses_;                       // that the host has not waited for
  Clock host_;                                         // what the host knows to be complete
  int captures_ = 0;
};

}  // namespace striate::emulator
