// Stochastic gradient descent in one pass over the slabs; see ops/sgd.h.
#include "ops/sgd.h"

#include "cpu/slab.h"

namespace striate::cpu::STRIATE_ISA {

void sgd(const Call& call) { updateSlab<ops::Sgd>(call); }

}  // namespace striate::cpu::STRIATE_ISA
