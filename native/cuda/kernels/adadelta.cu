// Adadelta in one launch over the slab; see ops/adadelta.h. Must move: gradients
// once, parameters and both averages twice; moves that (cuda/slab.h).
#include "ops/adadelta.h"

#include "cuda/slab.h"

namespace striate::cuda {

void adadelta(const Call& call) { updateSlab<ops::Adadelta>("adadelta", call); }

}  // namespace striate::cuda
