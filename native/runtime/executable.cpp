#include "runtime/executable.h"

#include <chrono>
#include <functional>

#include "runtime/error.h"

namespace striate {

namespace {

using Clock = std::chrono::steady_clock;

double nanoseconds(Clock::time_point from, Clock::time_point to) {
  return static_cast<double>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(to - from).count());
}

std::int64_t multiply(std::int64_t a, std::int64_t b) {
  std::int64_t product;
  requireArgument(!__builtin_mul_overflow(a, b, &product), "sizes are too large");
  return product;
}

// bytes [offset, offset + length) lie within a block.
void requireWithin(std::int64_t offset, std::int64_t length, const Block& block, const char* what) {
  const std::int64_t bytes = static_cast<std::int64_t>(block.bytes);
  if (offset < 0 || length < 0 || length > bytes || offset > bytes - length)
    throw Error(ErrorCode::InvalidArgument,
                std::string(what) + " reaches beyond its memory: " + std::to_string(length) +
                    " bytes at " + std::to_string(offset) + " of " + std::to_string(bytes));
}

View viewOf(const PlannedOperand& operand, std::int64_t n) {
  View view;
  view.dtype = operand.dtype;
  view.access = operand.access;
  view.rank = operand.rank;
  for (int i = 0; i < 4; ++i) view.size[i] = operand.size[i];
  if (operand.batched) view.size[0] = multiply(view.size[0], n);
  view.pitch = operand.rank < 2 ? view.channels() : operand.pitch;
  return view;
}

std::uint64_t nextNumber() {
  static std::atomic<std::uint64_t> last{0};
  return ++last;
}

Error named(const Error& error, std::size_t number, const std::string& label) {
  return Error(error.code(),
               label + " (instruction " + std::to_string(number) + "): " + error.what());
}

void checkExtent(const Extent& extent, std::int64_t batch, std::int64_t offset, const Block& block,
                 const char* what) {
  requireArgument(extent.fixed >= 0 && extent.perImage >= 0, "sizes are not negative");
  std::int64_t bytes;
  requireArgument(!__builtin_add_overflow(multiply(extent.perImage, batch), extent.fixed, &bytes),
                  "sizes are too large");
  requireWithin(offset, bytes, block, what);
}

}  // namespace

std::int64_t viewBytes(const View& view) {
  requireArgument(view.rank >= 0 && view.rank <= 4, "a view has at most four extents");
  std::int64_t pixels = 1;
  for (int i = 0; i < view.rank; ++i) {
    requireShape(view.size[i] >= 1, "every extent is at least one");
    if (i + 1 < view.rank) pixels = multiply(pixels, view.size[i]);
  }
  const std::int64_t channels = view.channels();
  requireShape(pixels == 1 || view.pitch >= channels, "the pitch is at least the last extent");
  std::int64_t elements;
  requireArgument(!__builtin_add_overflow(multiply(pixels - 1, view.pitch), channels, &elements),
                  "sizes are too large");
  return multiply(elements, sizeOf(view.dtype));
}

Executable::Executable(OpenDevice& owner, ExecutableDescription description)
    : owner_(owner), number_(nextNumber()), description_(std::move(description)) {
  owner_.device();
  const ExecutableDescription& d = description_;
  const int regionCount = static_cast<int>(d.regions.size());
  requireArgument(d.batch >= 1, "batch is at least one");
  requireArgument(d.inputRegion >= -1 && d.inputRegion < regionCount,
                  "inputRegion is the number of a region");
  requireArgument(!d.slots[0] == !d.slots[1], "there are two slots or none");
  requireArgument(d.inputs.empty() || d.slots[0], "inputs need slots");
  for (const PlannedInput& input : d.inputs)
    for (const auto& slot : d.slots)
      checkExtent(input.bytes, d.batch, input.byteOffset, *slot, "an input");
  for (const PlannedOutput& output : d.outputs) {
    requireArgument(output.region >= 0 && output.region < regionCount, "an output names a region");
    const auto& block = output.region == d.inputRegion ? d.slots[0] : d.regions[output.region];
    requireArgument(static_cast<bool>(block), "an output's region has memory");
    checkExtent(output.bytes, d.batch, output.byteOffset, *block, "an output");
    if (output.region == d.inputRegion)
      checkExtent(output.bytes, d.batch, output.byteOffset, *d.slots[1], "an output");
  }

  for (const auto& slot : d.slots)
    if (slot) owner_.device().prepareStaging(slot->data, slot->bytes);

  for (std::size_t i = 0; i < d.instructions.size(); ++i) {
    const PlannedInstruction& instruction = d.instructions[i];
    try {
      requireArgument(instruction.op >= 0 && instruction.op < static_cast<int>(registry().size()),
                      "there is no op of this number");
      const OpEntry& op = registry()[static_cast<std::size_t>(instruction.op)];
      requireArgument(instruction.attributes.size() == op.family->attributesSize,
                      "the attributes have the size that the op's header states");
      requireArgument(static_cast<int>(instruction.operands.size()) == operandCount(*op.info),
                      "there is an entry for every operand of the op");
      instructions_.push_back({&op, views_.size()});
      views_.resize(views_.size() + instruction.operands.size());
      checkInstruction(i, d.batch);
      if (d.batch != 1) checkSmallest(i);
    } catch (const Error& error) {
      throw named(error, i, instruction.label);
    }
  }
}

Executable::~Executable() { owner_.forget(number_); }

void Executable::checkSmallest(std::size_t number) {
  try {
    checkInstruction(number, 1);
  } catch (const Error& error) {
    checkInstruction(number, 2);
    least_ = 2;
    leastReason_ = named(error, number, description_.instructions[number].label).what();
  }
}

void Executable::checkInstruction(std::size_t number, std::int64_t n) {
  const PlannedInstruction& instruction = description_.instructions[number];
  for (const PlannedOperand& operand : instruction.operands) {
    if (operand.access == Access::None) continue;
    requireArgument(
        operand.region >= 0 && operand.region < static_cast<int>(description_.regions.size()),
        "an operand names a region");
    requireArgument(!operand.batched || operand.rank >= 1, "a batched operand has an extent");
    requireArgument(operand.byteOffset % sizeOf(operand.dtype) == 0,
                    "an operand's offset is a multiple of its element size");
    const std::int64_t bytes = viewBytes(viewOf(operand, n));
    const bool input = operand.region == description_.inputRegion;
    for (int slot = 0; slot < (input ? 2 : 1); ++slot) {
      const auto& block = input ? description_.slots[slot] : description_.regions[operand.region];
      requireArgument(static_cast<bool>(block), "an operand's region has memory");
      requireWithin(operand.byteOffset, bytes, *block, "an operand");
    }
  }
  resolveInstruction(number, n, 0);
  const Step& step = instructions_[number];
  checkCall(*step.op, instruction.attributes.data(), &views_[step.firstView]);
  owner_.device().check(*step.op, instruction.attributes.data(), &views_[step.firstView]);
}

void Executable::resolveInstruction(std::size_t number, std::int64_t n, int slot) {
  const PlannedInstruction& instruction = description_.instructions[number];
  View* view = &views_[instructions_[number].firstView];
  for (const PlannedOperand& operand : instruction.operands) {
    if (operand.access == Access::None) {
      *view++ = View();
      continue;
    }
    const auto& block = operand.region == description_.inputRegion
                            ? description_.slots[slot]
                            : description_.regions[operand.region];
    *view = viewOf(operand, n);
    view->data = block->data + operand.byteOffset;
    ++view;
  }
}

void Executable::resolve(std::int64_t n, int slot) {
  if (n == resolvedBatch_ && slot == resolvedSlot_) return;
  for (std::size_t i = 0; i < instructions_.size(); ++i) resolveInstruction(i, n, slot);
  resolvedBatch_ = n;
  resolvedSlot_ = slot;
}

void Executable::stage(int slot, std::size_t input, const void* data, std::int64_t bytes) {
  Device& device = owner_.device();
  requireArgument(input < description_.inputs.size(), "there is no input of this number");
  const PlannedInput& place = description_.inputs[input];
  const Block& block = *description_.slots[slot];
  if (block.disposed) throw Error(ErrorCode::Disposed, "the staging slot was disposed");
  if (block.uses.load(std::memory_order_acquire) != 0)
    throw Error(ErrorCode::Busy,
                "a step that has not ended uses staging slot " + std::to_string(slot));
  const std::int64_t varying = bytes - place.bytes.fixed;
  const bool fits = place.bytes.perImage == 0
                        ? varying == 0
                        : varying > 0 && varying % place.bytes.perImage == 0 &&
                              varying / place.bytes.perImage <= description_.batch;
  if (!fits)
    throw Error(ErrorCode::InvalidArgument,
                "input " + std::to_string(input) + " has " + std::to_string(bytes) +
                    " bytes; a batch of n has " + std::to_string(place.bytes.fixed) + " + " +
                    std::to_string(place.bytes.perImage) + " n, with n from 1 to " +
                    std::to_string(description_.batch));
  device.stage(block.data + place.byteOffset, data, static_cast<std::size_t>(bytes));
}

void Executable::check(const Run& run) const {
  owner_.device();
  if (failed_)
    throw Error(ErrorCode::DeviceError,
                "an earlier run of this program failed; make a new executable");
  for (const auto& block : description_.regions)
    if (block && block->disposed)
      throw Error(ErrorCode::Disposed, "memory of this program was disposed");
  for (const auto& block : description_.slots)
    if (block && block->disposed) throw Error(ErrorCode::Disposed, "a staging slot was disposed");
  if (run.n < 1 || run.n > description_.batch)
    throw Error(ErrorCode::InvalidArgument, "n is " + std::to_string(run.n) +
                                                "; the planned batch is " +
                                                std::to_string(description_.batch));
  if (run.n < least_)
    throw Error(ErrorCode::InvalidArgument, "a batch of one does not fit: " + leastReason_);
  requireArgument(run.begin <= run.end && run.end <= instructions_.size(),
                  "begin and end are a range of the instructions");
  for (int output : run.outputs)
    requireArgument(output >= 0 && output < static_cast<int>(description_.outputs.size()),
                    "there is no output of this number");
}

RunResult Executable::run(const Run& run) {
  Device& device = owner_.running();
  const Clock::time_point start = Clock::now();
  resolve(run.n, run.slot);
  Control control = run.control;
  control.commit = 1;
  sequence_.owner = number_;
  sequence_.n = run.n;
  sequence_.slot = run.slot;
  sequence_.begin = run.begin;
  sequence_.end = run.end;
  sequence_.slotData = description_.slots[run.slot] ? description_.slots[run.slot]->data : nullptr;
  sequence_.times = run.times;
  sequence_.readbacks.clear();
  for (std::size_t i = 0; i < run.outputs.size(); ++i) {
    const PlannedOutput& output = description_.outputs[static_cast<std::size_t>(run.outputs[i])];
    const auto& block = output.region == description_.inputRegion
                            ? description_.slots[run.slot]
                            : description_.regions[output.region];
    sequence_.readbacks.push_back({run.targets[i], block->data + output.byteOffset,
                                   static_cast<std::size_t>(output.bytes.at(run.n))});
  }
  std::optional<std::size_t> issuing;
  const auto execute = [&](std::size_t number) {
    issuing = number;
    if (owner_.queue().stopping().load(std::memory_order_relaxed))
      throw Error(ErrorCode::Cancelled, "the device was closed in the middle of a step");
    const Step& step = instructions_[number];
    const PlannedInstruction& instruction = description_.instructions[number];
    device.execute(*step.op, instruction.attributes.data(), &views_[step.firstView],
                   instruction.label.c_str());
    issuing.reset();
  };
  const Issue issue = std::ref(execute);  // by reference: no allocation
  try {
    control = device.run(sequence_, control, issue);
  } catch (const Error& error) {
    failed_ = true;
    if (!issuing) throw;
    throw named(error, *issuing, description_.instructions[*issuing].label);
  }
  return {control.commit != 0, nanoseconds(start, Clock::now())};
}

}  // namespace striate
