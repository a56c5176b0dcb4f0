// Adagrad in one pass over the slabs; see ops/adagrad.h.
#include "ops/adagrad.h"

#include "cpu/slab.h"

namespace striate::cpu::STRIATE_ISA {

void adagrad(const Call& call) { updateSlab<ops::Adagrad>(call); }

}  // namespace striate::cpu::STRIATE_ISA
