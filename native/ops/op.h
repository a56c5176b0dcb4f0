// What an op header states: attributes, operands, checks. One header describes one family of ops
// (forward and backward); `ops.def` lists the families, `registry.h` makes the tables.
#pragma once
#include <cstddef>
#include <cstdint>

#include "ops/view.h"
#include "runtime/error.h"

namespace striate {

enum class FieldType : std::uint8_t { Int32, Float32, Int64, Float64 };

// One attribute: its name in TypeScript and its place in the packed struct.
struct Field {
  const char* name;
  FieldType type;
  std::size_t offset;
};

namespace detail {
template <class T>
struct FieldTypeOf;
template <>
struct FieldTypeOf<std::int32_t> {
  static constexpr FieldType value = FieldType::Int32;
};
template <>
struct FieldTypeOf<float> {
  static constexpr FieldType value = FieldType::Float32;
};
template <>
struct FieldTypeOf<std::int64_t> {
  static constexpr FieldType value = FieldType::Int64;
};
template <>
struct FieldTypeOf<double> {
  static constexpr FieldType value = FieldType::Float64;
};
}  // namespace detail

// clang-format off
#define STRIATE_FIELD(Attributes, member)                                            \
  ::striate::Field {                                                                 \
    #member, ::striate::detail::FieldTypeOf<decltype(Attributes::member)>::value,    \
        offsetof(Attributes, member)                                                 \
  }
// clang-format on

enum class Role : std::uint8_t { In, Out };

// What an operand holds. `Compute`: float32 or float64, for what is always kept in full (parameters'
// gradients, statistics, losses). `Storage`: what volumes are stored in, the compute type itself or, where
// that is float32, bfloat16 or float16. All operands of a kind have one and the same type in a call.
// `Bytes` is uint8 (workspace); `Other` is what the family's check says.
enum class Element : std::uint8_t { Storage, Compute, Int32, Bytes, Other };

struct Operand {
  const char* name;
  Role role;
  bool optional;
  Element element;
};

constexpr Operand in(const char* name, Element e = Element::Storage) {
  return {name, Role::In, false, e};
}
constexpr Operand out(const char* name, Element e = Element::Storage) {
  return {name, Role::Out, false, e};
}
constexpr Operand optionalIn(const char* name, Element e = Element::Storage) {
  return {name, Role::In, true, e};
}
constexpr Operand optionalOut(const char* name, Element e = Element::Storage) {
  return {name, Role::Out, true, e};
}

constexpr int kMaxOperands = 10;

// One op: its name and its operands, in the order in which kernels receive their views.
struct OpInfo {
  const char* name;
  Operand operands[kMaxOperands];
  bool clearsCommit = false;  // writes control.commit
};

constexpr int operandCount(const OpInfo& op) {
  int n = 0;
  while (n < kMaxOperands && op.operands[n].name != nullptr) ++n;
  return n;
}

// Checks shared by the headers. A rule is a sentence about the operands. They throw `Error`;
// checkCall adds the op's name and the operands' shapes.
inline void requireShape(bool holds, const char* rule) {
  if (!holds) throw Error(ErrorCode::InvalidShape, rule);
}
inline void requireArgument(bool holds, const char* rule) {
  if (!holds) throw Error(ErrorCode::InvalidArgument, rule);
}
inline bool sameShape(const View& a, const View& b) {
  if (a.rank != b.rank) return false;
  for (int i = 0; i < a.rank; ++i)
    if (a.size[i] != b.size[i]) return false;
  return true;
}
// The type in which an operand of this type is computed with.
constexpr DType computeType(DType storage) { return isHalf(storage) ? DType::Float32 : storage; }
inline bool isCompute(const View& v) {
  return v.dtype == DType::Float32 || v.dtype == DType::Float64;
}
inline bool isStorage(const View& v) { return isCompute(v) || isHalf(v.dtype); }
inline bool isVector(const View& v, std::int64_t length) {
  return v.rank == 1 && v.size[0] == length;
}
// An output that is the op's own result, not a sum of contributions.
inline void requireOverwrite(const View& v, const char* rule) {
  requireArgument(!v.accumulates(), rule);
}
inline void requireWorkspace(const View& v, std::int64_t bytes) {
  requireArgument(v.rank == 1 && v.size[0] >= bytes && !v.accumulates(),
                  "workspace is a vector of bytes, overwritten, as long as the op needs");
}

}  // namespace striate
