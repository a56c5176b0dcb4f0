// A number that two builds share when they agree on the ops: their names, order, operands and the layout
// of their attributes.
#pragma once
#include <cstdint>
#include <iterator>

#include "ops/all.h"

namespace striate {

namespace detail {

constexpr std::uint64_t kFnvStart = 0xcbf29ce484222325ull;

inline std::uint64_t mix(std::uint64_t hash, std::uint64_t value) {
  return (hash ^ value) * 0x100000001b3ull;
}

inline std::uint64_t mix(std::uint64_t hash, const char* text) {
  for (; *text != 0; ++text) hash = mix(hash, static_cast<unsigned char>(*text));
  return mix(hash, 0x1ffull);
}

template <class Family>
std::uint64_t mixFamily(std::uint64_t hash) {
  for (const OpInfo& op : Family::ops) {
    hash = mix(hash, op.name);
    for (int i = 0; i < operandCount(op); ++i) hash = mix(hash, op.operands[i].name);
  }
  for (const Field& field : Family::fields) hash = mix(mix(hash, field.name), field.offset);
  return mix(hash, sizeof(typename Family::Attributes));
}

}  // namespace detail

inline std::uint64_t opsFingerprint() {
  std::uint64_t hash = detail::kFnvStart;
#define STRIATE_OPS(file, Struct) hash = detail::mixFamily<ops::Struct>(detail::mix(hash, #file));
#include "ops/ops.def"
#undef STRIATE_OPS
  return hash;
}

}  // namespace striate
