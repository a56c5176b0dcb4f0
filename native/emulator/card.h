// The emulated card: one for each process, as a driver has.
#pragma once
#include "emulator/memory.h"

namespace striate::emulator {

struct Card {
  DeviceMemory memory{std::uint64_t(16) << 30};
};

Card& card();

}  // namespace striate::emulator
