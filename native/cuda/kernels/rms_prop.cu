// RMSProp in one launch over the slab; see ops/rms_prop.h. Must move: gradients
// once, parameters, both averages and momentum twice; moves that (cuda/slab.h).
#include "ops/rms_prop.h"

#include "cuda/slab.h"

namespace striate::cuda {

void rms_prop(const Call& call) { updateSlab<ops::RmsProp>("rmsProp", call); }

}  // namespace striate::cuda
