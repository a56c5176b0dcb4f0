// RMSProp in one pass over the slabs; see ops/rms_prop.h.
#include "ops/rms_prop.h"

#include "cpu/slab.h"

namespace striate::cpu::STRIATE_ISA {

void rms_prop(const Call& call) { updateSlab<ops::RmsProp>(call); }

}  // namespace striate::cpu::STRIATE_ISA
