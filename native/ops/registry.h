// Every op of `ops.def` with its description: what the N-API edge, the devices and the contract test
// look ops up in.
#pragma once
#include <string_view>
#include <vector>

#include "ops/op.h"

namespace striate {

struct Family {
  const char* name;
  const OpInfo* ops;
  int opCount;
  const Field* fields;
  int fieldCount;
  std::size_t attributesSize;
  // Throws Error unless the views and attributes obey the op's shape rule.
  void (*check)(int op, const void* attributes, const View* views);
  // What the CPU device asks beyond that; null: nothing.
  void (*checkCpu)(int op, const void* attributes, const View* views);
};

// A callable op: its number in the registry is what programs carry over the N-API edge.
struct OpEntry {
  const OpInfo* info;
  const Family* family;
  int familyIndex;
  int op;  // position within the family
};

const std::vector<Family>& families();
const std::vector<OpEntry>& registry();

// The number of an op, or -1.
int findOp(std::string_view name);

// Checks presence, access and roles of the operands, then the family's own rule. Errors name the op.
void checkCall(const OpEntry& entry, const void* attributes, const View* views);

}  // namespace striate
