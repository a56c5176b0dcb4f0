#include "cpu/device/dispatch.h"

#include "runtime/error.h"

// CMake says which sets this build holds: STRIATE_HAS_<name>.
#define STRIATE_OPS(file, Struct) void file(const Call&);
namespace striate::cpu::baseline {
#include "ops/ops.def"
}
#if defined(STRIATE_HAS_avx2)
namespace striate::cpu::avx2 {
#include "ops/ops.def"
}
#endif
#if defined(STRIATE_HAS_avx512)
namespace striate::cpu::avx512 {
#include "ops/ops.def"
}
#endif
#undef STRIATE_OPS

namespace striate::cpu {

namespace {

#define STRIATE_OPS(file, Struct) &baseline::file,
constexpr Kernel kBaseline[] = {
#include "ops/ops.def"
};
#undef STRIATE_OPS

bool always() { return true; }

#if defined(STRIATE_HAS_avx2)
#define STRIATE_OPS(file, Struct) &avx2::file,
constexpr Kernel kAvx2[] = {
#include "ops/ops.def"
};
#undef STRIATE_OPS

bool hasAvx2() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
         __builtin_cpu_supports("bmi2");
}
#endif

#if defined(STRIATE_HAS_avx512)
#define STRIATE_OPS(file, Struct) &avx512::file,
constexpr Kernel kAvx512[] = {
#include "ops/ops.def"
};
#undef STRIATE_OPS

bool hasAvx512() {
  return hasAvx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512cd");
}
#endif

constexpr InstructionSet kBuilt[] = {
    {"baseline", kBaseline, always},
#if defined(STRIATE_HAS_avx2)
    {"avx2", kAvx2, hasAvx2},
#endif
#if defined(STRIATE_HAS_avx512)
    {"avx512", kAvx512, hasAvx512},
#endif
};

}  // namespace

const InstructionSet& baselineSet() { return kBuilt[0]; }

const std::vector<InstructionSet>& instructionSets() {
  // Never destroyed: device threads may outlive the statics when the process exits.
  static const auto& sets = *[] {
    auto* usable = new std::vector<InstructionSet>();
    for (const InstructionSet& set : kBuilt)
      if (set.supported()) usable->push_back(set);
    return usable;
  }();
  return sets;
}

const InstructionSet& findInstructionSet(const std::string& name) {
  const std::vector<InstructionSet>& sets = instructionSets();
  if (name == "best") return sets.back();
  std::string names;
  for (const InstructionSet& set : sets) {
    if (name == set.name) return set;
    names += std::string(names.empty() ? "" : ", ") + set.name;
  }
  throw Error(
      ErrorCode::InvalidArgument,
      "this build and this processor have no instruction set '" + name + "'; they have " + names);
}

}  // namespace striate::cpu
