// A program made ready to run: instructions resolved once against regions of memory. A run takes the
// batch it has, allocates nothing, and stops between instructions when the queue is told to.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/open_device.h"

namespace striate {

// Bytes or elements that grow with the batch: fixed + perImage * n.
struct Extent {
  std::int64_t fixed = 0;
  std::int64_t perImage = 0;
  std::int64_t at(std::int64_t n) const { return fixed + perImage * n; }
};

struct PlannedOperand {
  int region = 0;
  std::int64_t byteOffset = 0;
  DType dtype = DType::Float32;
  Access access = Access::None;  // None: left out
  int rank = 0;
  std::int64_t size[4] = {1, 1, 1, 1};
  bool batched = false;  // the first extent is multiplied by n
  std::int64_t pitch = 1;
};

struct PlannedInstruction {
  int op = 0;
  std::vector<std::uint8_t> attributes;
  std::vector<PlannedOperand> operands;
  std::string label;  // named in errors
};

struct PlannedInput {
  std::int64_t byteOffset = 0;
  Extent bytes;
};

struct PlannedOutput {
  int region = 0;
  std::int64_t byteOffset = 0;
  Extent bytes;
};

struct ExecutableDescription {
  std::int64_t batch = 0;
  std::vector<std::shared_ptr<Block>> regions;  // null: no memory (the input region)
  int inputRegion = -1;                         // -1: none
  std::shared_ptr<Block> slots[2];              // both or neither
  std::vector<PlannedInstruction> instructions;
  std::vector<PlannedInput> inputs;
  std::vector<PlannedOutput> outputs;
};

struct Run {
  std::int64_t n = 0;
  int slot = 0;
  std::size_t begin = 0, end = 0;  // instructions
  Control control;
  std::vector<int> outputs;    // numbers of outputs to copy back
  std::vector<void*> targets;  // where to, outputBytes(n) each
  double* times = nullptr;     // nanoseconds by instruction of [begin, end)
};

struct RunResult {
  bool committed = false;
  double elapsed = 0;  // nanoseconds
};

class Executable {
 public:
  // Checks every operand against its region and every instruction against its op's rules, for the
  // planned batch and for the smallest. Errors name the instruction.
  Executable(OpenDevice& owner, ExecutableDescription description);
  ~Executable();
  Executable(const Executable&) = delete;
  Executable& operator=(const Executable&) = delete;

  std::size_t instructionCount() const { return instructions_.size(); }
  std::size_t outputCount() const { return description_.outputs.size(); }
  std::size_t inputCount() const { return description_.inputs.size(); }
  std::int64_t batch() const { return description_.batch; }
  std::int64_t outputBytes(int output, std::int64_t n) const {
    return description_.outputs[static_cast<std::size_t>(output)].bytes.at(n);
  }
  const std::shared_ptr<Block>& slot(int slot) const { return description_.slots[slot]; }

  // Copies an input into a slot; `bytes` must be that of a batch of 1 to the planned number.
  void stage(int slot, std::size_t input, const void* data, std::int64_t bytes);

  // Throws when the run cannot be: wrong numbers, memory gone, an earlier run that failed.
  void check(const Run& run) const;

  // On the queue's thread.
  RunResult run(const Run& run);

 private:
  struct Step {
    const OpEntry* op = nullptr;
    std::size_t firstView = 0;
  };
  void checkInstruction(std::size_t number, std::int64_t n);
  // A batch of one, or of two where a rule forbids one (batch normalisation of vectors).
  void checkSmallest(std::size_t number);
  void resolve(std::int64_t n, int slot);
  void resolveInstruction(std::size_t number, std::int64_t n, int slot);

  OpenDevice& owner_;
  const std::uint64_t number_;  // its own in this process
  ExecutableDescription description_;
  std::vector<Step> instructions_;
  std::vector<View> views_;
  std::int64_t least_ = 1;
  std::string leastReason_;
  std::int64_t resolvedBatch_ = 0;
  int resolvedSlot_ = -1;
  Sequence sequence_;
  std::atomic<bool> failed_{false};
};

// Bytes from the first to past the last element of a view; throws when they do not fit 64 bits, or when
// the view's numbers make none.
std::int64_t viewBytes(const View& view);

}  // namespace striate
