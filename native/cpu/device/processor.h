// What the machine has.
#pragma once
#include <string>

namespace striate::cpu {

// Cores that this process may use: its affinity counts, not the machine's total.
int availableCores();

// The processor's name as the operating system gives it.
std::string processorName();

}  // namespace striate::cpu
