// Adam and AdamW in one launch over the slab; see ops/adam.h. Must move: gradients
// once, parameters, both averages and the maximum twice; moves that (cuda/slab.h).
#include "ops/adam.h"

#include "cuda/slab.h"

namespace striate::cuda {

void adam(const Call& call) { updateSlab<ops::Adam>("adam", call); }

}  // namespace striate::cuda
