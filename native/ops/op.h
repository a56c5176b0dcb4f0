// What an op header states: attributes, operands, checks. One header describes one family of ops
// (forward and backward); `ops.def` lists the families, `registry.h` makes the tables.
#pragma once
#include <cstddef>
#include <cstdint>

#include "ops/view.h"
#include "runtime/error.h"

namespace striate {

enum class FieldType : std::uint8_t { Int32, Float32, Int64 };

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
}  // namespace detail

#define STRIATE_FIELD(Attributes, member)                                            \
  ::striate::Field {                                                                 \
    #member, ::striate::detail::FieldTypeOf<decltype(Attributes::member)>::value,    \
        offsetof(Attributes, member)                                                 \
  }

enum class Role : std::uint8_t { In, Out };

struct Operand {
  const char* name;
  Role role;
  bool optional;
};

constexpr Operand in(const char* name) { return {name, Role::In, false}; }
constexpr Operand out(const char* name) { return {name, Role::Out, false}; }
constexpr Operand optionalIn(const char* name) { return {name, Role::In, true}; }
constexpr Operand optionalOut(const char* name) { return {name, Role::Out, true}; }

constexpr int kMaxOperands = 10;

// One op: its name and its operands, in the order in which kernels receive their views.
struct OpInfo {
  const char* name;
  Operand operands[kMaxOperands];
};

constexpr int operandCount(const OpInfo& op) {
  int n = 0;
  while (n < kMaxOperands && op.operands[n].name != nullptr) ++n;
  return n;
}

// Checks shared by the headers. They throw `Error`; the caller adds the op's name.
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
inline bool isFloat(const View& v) {
  return v.dtype == DType::Float32 || v.dtype == DType::Float64;
}

}  // namespace striate
