// Adadelta in one pass over the slabs; see ops/adadelta.h.
#include "ops/adadelta.h"

#include "cpu/slab.h"

namespace striate::cpu::STRIATE_ISA {

void adadelta(const Call& call) { updateSlab<ops::Adadelta>(call); }

}  // namespace striate::cpu::STRIATE_ISA
