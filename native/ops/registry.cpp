#include "ops/registry.h"

#include <cstring>
#include <iterator>
#include <string>
#include <type_traits>

#include "ops/all.h"

namespace striate {
namespace {

template <class F, class = void>
struct CpuCheck {
  static constexpr decltype(Family::checkCpu) value = nullptr;
};
template <class F>
struct CpuCheck<F, std::void_t<decltype(&F::checkCpu)>> {
  static void call(int op, const void* attributes, const View* views) {
    typename F::Attributes aligned;
    std::memcpy(&aligned, attributes, sizeof aligned);
    F::checkCpu(op, aligned, views);
  }
  static constexpr decltype(Family::checkCpu) value = &call;
};

template <class F>
Family describe(const char* name) {
  Family family = {};
  family.name = name;
  family.ops = F::ops;
  family.opCount = int(std::size(F::ops));
  family.fields = F::fields;
  family.fieldCount = int(std::size(F::fields));
  family.attributesSize = sizeof(typename F::Attributes);
  family.check = [](int op, const void* attributes, const View* views) {
    typename F::Attributes aligned;
    std::memcpy(&aligned, attributes, sizeof aligned);
    F::check(op, aligned, views);
  };
  family.checkCpu = CpuCheck<F>::value;
  return family;
}

const char* nameOf(DType type) {
  switch (type) {
    case DType::Float32:
      return "float32";
    case DType::Float64:
      return "float64";
    case DType::UInt8:
      return "uint8";
    case DType::Int32:
      return "int32";
    case DType::BFloat16:
      return "bfloat16";
    case DType::Float16:
      return "float16";
  }
  return "unknown";
}

// "float32 [2, 3, 3, 8]"
std::string describe(const View& v) {
  std::string text = std::string(nameOf(v.dtype)) + " [";
  for (int i = 0; i < v.rank; ++i) text += (i > 0 ? ", " : "") + std::to_string(v.size[i]);
  return text + "]";
}

std::string describeOperands(const OpInfo& info, const View* views) {
  std::string text;
  for (int i = 0; i < operandCount(info); ++i) {
    if (!views[i]) continue;
    text +=
        (text.empty() ? "" : ", ") + std::string(info.operands[i].name) + " " + describe(views[i]);
  }
  return text;
}

// What one operand must be, whatever the op; null when it is.
const char* faultOf(const Operand& operand, const View& v) {
  if (!v) return operand.optional ? nullptr : "is missing";
  const bool written = v.access == Access::Overwrite || v.access == Access::Accumulate;
  if (operand.role == Role::In && v.access != Access::Read)
    return "is an input: its access is read";
  if (operand.role == Role::Out && !written)
    return "is an output: its access is overwrite or accumulate";
  if (v.rank < 0 || v.rank > 4) return "has a rank from 0 to 4";
  if (v.data == nullptr) return "has no memory";
  if (std::uintptr_t(v.data) % std::uintptr_t(sizeOf(v.dtype)) != 0)
    return "starts at a multiple of its element's size";

  // The whole span, in bytes, stays within 64 bits.
  std::int64_t pixels = 1, span = 0;
  for (int i = 0; i < v.rank; ++i)
    if (v.size[i] < 1) return "has extents of at least 1";
  for (int i = 0; i + 1 < v.rank; ++i)
    if (__builtin_mul_overflow(pixels, v.size[i], &pixels)) return "is too large";
  if (pixels > 1 && v.pitch < v.channels()) return "has a pitch of at least its last extent";
  const std::int64_t pitch = pixels > 1 ? v.pitch : v.channels();
  if (__builtin_mul_overflow(pixels, pitch, &span) ||
      __builtin_mul_overflow(span, INT64_C(8), &span))
    return "is too large";

  switch (operand.element) {
    case Element::Storage:
      return isStorage(v) ? nullptr : "is float32, float64, bfloat16 or float16";
    case Element::Compute:
      return isCompute(v) ? nullptr : "is float32 or float64";
    case Element::Int32:
      return v.dtype == DType::Int32 ? nullptr : "is int32";
    case Element::Bytes:
      return v.dtype == DType::UInt8 ? nullptr : "is uint8";
    case Element::Other:
      return nullptr;
  }
  return nullptr;
}

void checkOperands(const OpInfo& info, const View* views) {
  const View *storage = nullptr, *compute = nullptr;
  const auto requireSame = [&](const char* name, const View& v, DType type) {
    if (v.dtype != type)
      throw Error(ErrorCode::InvalidArgument, std::string(name) + " is " + nameOf(v.dtype) +
                                                  " where it must be " + nameOf(type) +
                                                  ", as the others are");
  };
  for (int i = 0; i < operandCount(info); ++i) {
    const Operand& operand = info.operands[i];
    const View& v = views[i];
    if (const char* fault = faultOf(operand, v))
      throw Error(ErrorCode::InvalidArgument, std::string(operand.name) + " " + fault);
    if (!v) continue;
    if (operand.element == Element::Storage) {
      if (storage == nullptr) storage = &v;
      requireSame(operand.name, v, storage->dtype);
    }
    if (operand.element == Element::Compute) {
      if (compute == nullptr) compute = &v;
      requireSame(operand.name, v, compute->dtype);
    }
  }
  if (storage != nullptr && compute != nullptr && compute->dtype != computeType(storage->dtype))
    throw Error(ErrorCode::InvalidArgument, std::string("volumes of ") + nameOf(storage->dtype) +
                                                " go with " + nameOf(computeType(storage->dtype)) +
                                                ", not with " + nameOf(compute->dtype));
}

}  // namespace

const std::vector<Family>& families() {
#define STRIATE_OPS(file, Struct) describe<ops::Struct>(#file),
  // Neither table is destroyed: device threads may outlive the statics when the process exits.
  static const auto& all = *new std::vector<Family>{
#include "ops/ops.def"
  };
#undef STRIATE_OPS
  return all;
}

const std::vector<OpEntry>& registry() {
  static const auto& all = *[] {
    auto* entries = new std::vector<OpEntry>();
    for (const Family& family : families())
      for (int op = 0; op < family.opCount; ++op)
        entries->push_back({&family.ops[op], &family, int(&family - families().data()), op});
    return entries;
  }();
  return all;
}

int findOp(std::string_view name) {
  for (const OpEntry& entry : registry())
    if (name == entry.info->name) return int(&entry - registry().data());
  return -1;
}

void checkCall(const OpEntry& entry, const void* attributes, const View* views) {
  const OpInfo& info = *entry.info;
  try {
    checkOperands(info, views);
  } catch (const Error& error) {
    throw Error(error.code(), std::string(info.name) + ": " + error.what());
  }
  try {
    entry.family->check(entry.op, attributes, views);
  } catch (const Error& error) {
    throw Error(error.code(), std::string(info.name) + ": this must hold: " + error.what() +
                                  "; given are " + describeOperands(info, views));
  }
}

}  // namespace striate
