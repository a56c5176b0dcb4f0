// Adagrad in one launch over the slab; see ops/adagrad.h. Must move: gradients
// once, parameters and the sum twice; moves that (cuda/slab.h).
#include "ops/adagrad.h"

#include "cuda/slab.h"

namespace striate::cuda {

void adagrad(const Call& call) { updateSlab<ops::Adagrad>("adagrad", call); }

}  // namespace striate::cuda
