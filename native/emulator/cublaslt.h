// The emulated cuBLASLt: what the real one checks, it checks; what it computes runs in the order of the
// stream, on the bytes of the emulated card.
#pragma once
#include "cuda/blas/cublaslt.h"

namespace striate::emulator {

cuda::lt::Table cublasLtTable();

}  // namespace striate::emulator
