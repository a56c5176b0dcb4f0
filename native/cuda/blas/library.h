// Finds and opens cuBLASLt.
#pragma once
#include <string>
#include <vector>

#include "cuda/blas/cublaslt.h"

namespace striate::cuda::lt {

// The major version of the toolkit that this library was built with; cuBLASLt must have the same.
int wantedMajor();

struct Attempt {
  std::string path;
  std::string reason;
};

// An opened library. It stays open for the life of the process: kernels of it may still be running.
struct Library {
  Table table;
  std::string path;
  std::size_t version = 0;
};

// Where it is looked for, in order: STRIATE_CUBLASLT (then nowhere else), the loader's own path,
// CUDA_PATH and CUDA_HOME, a Python environment's packages, the usual folders.
std::vector<std::string> candidates();

// Throws Failure that lists every path with its reason, and the remedy.
const Library& open();

// Opens one path; false with a reason when it is missing, unreadable, of another major version or lacks
// a function.
bool openAt(const std::string& path, Library& library, std::string& reason);

}  // namespace striate::cuda::lt
