// Stochastic gradient descent in one launch over the slab; see ops/sgd.h. Must move: gradients
// once, parameters and momentum twice; moves that (cuda/slab.h).
#include "ops/sgd.h"

#include "cuda/slab.h"

namespace striate::cuda {

void sgd(const Call& call) { updateSlab<ops::Sgd>("sgd", call); }

}  // namespace striate::cuda
