#include "cpu/device/cpu_device.h"

#include <cstring>

#include "cpu/device/dispatch.h"
#include "cpu/device/processor.h"
#include "runtime/memory.h"

namespace striate::cpu {

namespace {

class CpuDevice final : public Device {
 public:
  explicit CpuDevice(const CpuOptions& options)
      : set_(findInstructionSet(options.instructionSet)),
        threads_(options.threads > 0 ? options.threads : availableCores()) {
    info_.kind = "cpu";
    info_.name = processorName();
    info_.threads = threads_.size();
    info_.instructionSet = set_.name;
    info_.ownBytes = ThreadPool::kScratchBytes * static_cast<std::size_t>(threads_.size());
    info_.hostMemory = true;
  }

  const DeviceInfo& info() const override { return info_; }

  void* allocate(std::size_t bytes, MemoryKind) override { return allocateHostMemory(bytes); }
  void release(void* data, std::size_t bytes) noexcept override { releaseHostMemory(data, bytes); }

  void stage(void* to, const void* from, std::size_t bytes) override { copy(to, from, bytes); }
  void upload(void* to, const void* from, std::size_t bytes) override { copy(to, from, bytes); }
  void download(void* to, const void* from, std::size_t bytes) override { copy(to, from, bytes); }
  void fill(void* to, int value, std::size_t bytes) override {
    if (bytes > 0) std::memset(to, value, bytes);
  }

  void check(const OpEntry& op, const void* attributes, const View* views) override {
    for (int i = 0; i < operandCount(*op.info); ++i)
      if (views[i] && isHalf(views[i].dtype))
        throw Error(ErrorCode::InvalidArgument,
                    std::string(op.info->name) + ": " + op.info->operands[i].name +
                        " is stored in 16 bits; the CPU device computes in float32 and float64");
    if (op.family->checkCpu != nullptr) op.family->checkCpu(op.op, attributes, views);
  }

  void setControl(const Control& control) override { control_ = control; }
  Control control() override { return control_; }

  void execute(const OpEntry& op, const void* attributes, const View* views, const char*) override {
    const InstructionSet& set = usesFloat64(*op.info, views) ? baselineSet() : set_;
    Context context{threads_, control_};
    set.kernels[op.familyIndex](Call{op.op, attributes, views, context});
  }

  void synchronize() override {}

 private:
  // An empty ArrayBuffer has no address, which memcpy may not see.
  static void copy(void* to, const void* from, std::size_t bytes) {
    if (bytes > 0) std::memcpy(to, from, bytes);
  }

  static bool usesFloat64(const OpInfo& info, const View* views) {
    for (int i = 0; i < operandCount(info); ++i)
      if (views[i] && views[i].dtype == DType::Float64) return true;
    return false;
  }

  const InstructionSet& set_;
  ThreadPool threads_;
  Control control_;
  DeviceInfo info_;
};

}  // namespace

std::unique_ptr<Device> makeCpuDevice(const CpuOptions& options) {
  return std::make_unique<CpuDevice>(options);
}

}  // namespace striate::cpu
