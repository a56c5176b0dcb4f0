// From an op's number to the function that enqueues it.
#include <iterator>

#include "cuda/check.h"
#include "cuda/device/device.h"
#include "cuda/device/ranges.h"
#include "cuda/device/watch.h"
#include "cuda/kernel.h"
#include "ops/all.h"
#include "runtime/error.h"

#define STRIATE_OPS(file, Struct) void file(const Call&);
namespace striate::cuda {
#include "ops/ops.def"
}
#undef STRIATE_OPS

namespace striate::cuda {

namespace {

struct FamilyEntry {
  Kernel kernel;
  const OpInfo* ops;
  int opCount;
};

constexpr FamilyEntry kFamilies[] = {
#define STRIATE_OPS(file, Struct) {&file, ops::Struct::ops, int(std::size(ops::Struct::ops))},
#include "ops/ops.def"
#undef STRIATE_OPS
};

const FamilyEntry& familyOf(const StriateOp& op) {
  const bool known = op.family >= 0 && op.family < int(std::size(kFamilies)) && op.op >= 0 &&
                     op.op < kFamilies[op.family].opCount;
  if (!known) throw Error(ErrorCode::InvalidArgument, "there is no op of this number");
  return kFamilies[op.family];
}

}  // namespace

void checkCall(const StriateOp& op, const void* attributes, const View* views) {
  const FamilyEntry& family = familyOf(op);
  const OpInfo& info = family.ops[op.op];
  for (int i = 0; i < operandCount(info); ++i)
    if (views[i] && views[i].dtype == DType::Float64)
      throw Error(ErrorCode::InvalidArgument,
                  std::string(info.name) + ": " + info.operands[i].name +
                      " is float64; the CUDA device computes in float32, the CPU device in both");
  if (family.kernel == &conv2d) checkConvolution(op.op, attributes, views);
}

void CudaDevice::execute(const StriateOp& op, const void* attributes, const View* views,
                         const char* label) {
  const FamilyEntry& family = familyOf(op);
  const NamedRange range(label);
  if (controlPending_) uploadControl();
  {
    [[maybe_unused]] Watch watch(family.ops[op.op], views, control_);
    Context context{compute_, control_, &blas_};
    family.kernel(Call{op.op, attributes, views, context});
#if defined(STRIATE_EMULATOR)
    if (mode_ == Mode::Idle) watch.defineWorkspace(family.ops[op.op], views, compute_);
#endif
  }
  if (synchronous_) synchronize();
  if (timing_) markTime(marks_);
}

}  // namespace striate::cuda
