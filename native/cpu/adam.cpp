// Adam and AdamW in one pass over the slabs; see ops/adam.h.
#include "ops/adam.h"

#include "cpu/slab.h"

namespace striate::cpu::STRIATE_ISA {

void adam(const Call& call) { updateSlab<ops::Adam>(call); }

}  // namespace striate::cpu::STRIATE_ISA
