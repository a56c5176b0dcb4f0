// The instruction sets of this build, and the one that this processor runs best.
#pragma once
#include <string>
#include <vector>

#include "cpu/kernel.h"

namespace striate::cpu {

struct InstructionSet {
  const char* name;
  const Kernel* kernels;  // by the family's number
  bool (*supported)();
};

// Those that this processor runs, best last; never empty.
const std::vector<InstructionSet>& instructionSets();

// "best" or a name; throws INVALID_ARGUMENT for one that is not there.
const InstructionSet& findInstructionSet(const std::string& name);

// The set that holds float64.
const InstructionSet& baselineSet();

}  // namespace striate::cpu
