// The CUDA device: memory, two streams, and programs as graphs.
//
// All ops run on the compute stream, batches travel on the copy stream. The first run of a program with
// a batch size and slot is captured into a graph and then launched; later ones are launches alone. What
// changes from step to step goes through the control block, which the graph's first node copies from
// pinned memory; what comes back goes to pinned memory in its last nodes. One wait ends a run.
#pragma once
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "cuda/blas/blas.h"
#include "cuda/device/handles.h"
#include "ops/view.h"
#include "runtime/plugin.h"

namespace striate::cuda {

class CudaDevice {
 public:
  explicit CudaDevice(int index);
  ~CudaDevice();
  CudaDevice(const CudaDevice&) = delete;
  CudaDevice& operator=(const CudaDevice&) = delete;

  int index() const { return index_; }
  void facts(StriateDeviceFacts& facts) const;

  // Null: no room.
  void* allocate(std::uint64_t bytes, bool eager);
  void release(void* data);
  void memory(std::uint64_t& free, std::uint64_t& total) const;

  void prepareStaging(void* slot, std::uint64_t bytes);
  void stage(void* to, const void* from, std::uint64_t bytes);
  void upload(void* to, const void* from, std::uint64_t bytes);
  void download(void* to, const void* from, std::uint64_t bytes);
  void fill(void* to, int value, std::uint64_t bytes);

  void setControl(const Control& control);
  Control control();
  void execute(const StriateOp& op, const void* attributes, const View* views, const char* label);
  void synchronize();

  bool begin(const StriateSequence& sequence, const Control& control);
  Control end(const StriateSequence& sequence);
  void cancel();
  void forget(std::uint64_t owner);

 private:
  // A staging slot: batches pass through pinned memory of the same size.
  struct Slot {
    Pinned pinned;
    Event uploaded;  // on the copy stream, after the latest upload
    Event read;      // on the compute stream, after the latest step that read the slot
    // Ranges whose upload the host does not know to be complete.
    std::vector<std::pair<std::uint64_t, std::uint64_t>> pending;
    explicit Slot(std::uint64_t bytes) : pinned(bytes) {}
  };
  struct Allocation {
    std::uint64_t bytes;
    bool eager;
    std::unique_ptr<Slot> slot;
  };

  // A program's run as a graph, with what identifies it.
  struct Recorded {
    std::uint64_t owner = 0, begin = 0, end = 0;
    std::int64_t n = 0;
    int slot = 0;
    struct Source {
      const void* from;
      std::uint64_t bytes;
    };
    std::vector<Source> sources;
    Pinned results;  // the control block, then what is read back
    cudaGraphExec_t graph = nullptr;
    ~Recorded();
    bool matches(const StriateSequence& s) const;
  };
  enum class Mode { Idle, Plain, Recording, Replaying };

  Recorded* find(const StriateSequence& s);
  Recorded& add(const StriateSequence& s);
  void drop(const Recorded* recorded);
  void describe(Recorded& recorded, const StriateSequence& s);
  void reserve(Recorded& recorded);
  void uploadControl();
  void readBack(const Recorded& recorded);
  void finishCapture(Recorded& recorded);
  void launch(const Recorded& recorded);
  void markTime(std::size_t mark);
  Slot* slotAt(const void* data, std::uint64_t& offset);

  const int index_;
  Stream compute_, copy_;
  Event done_;
  Blas blas_;
  bool pools_ = false;
  const bool synchronous_;  // STRIATE_SYNC: one op at a time, so that an error names its op

  Control* control_ = nullptr;  // device memory
  Pinned pinnedControl_;
  bool controlPending_ = false;

  std::mutex allocationsMutex_;
  std::map<char*, Allocation> allocations_;  // by address

  std::mutex recordedMutex_;
  std::list<Recorded> recorded_;  // the latest used first
  Recorded plain_;                // the run that is issued without a graph
  Recorded* current_ = nullptr;
  Mode mode_ = Mode::Idle;
  std::unique_lock<std::mutex> capture_;
  bool timing_ = false;
  std::size_t marks_ = 0;
  std::vector<Event> times_;
};

// Held while a stream is captured, and by every call that a capture forbids to others.
std::mutex& captureMutex();

// Throws Error for what this device cannot do: another element type, too little workspace.
void checkCall(const StriateOp& op, const void* attributes, const View* views);

}  // namespace striate::cuda
