// Opens cuBLASLt as the CUDA library does, for the tests of the loader.
//   loader open PATH...   one line each: "opened VERSION" or the reason why not
//   loader create         a handle of what the search finds: "created" or the failure's text
#include <cstdio>
#include <cstring>

#include "cuda/blas/blas.h"
#include "cuda/failure.h"

namespace lt = striate::cuda::lt;

int main(int argc, char** argv) {
  if (argc > 2 && std::strcmp(argv[1], "open") == 0) {
    for (int i = 2; i < argc; ++i) {
      lt::Library library;
      std::string reason;
      if (lt::openAt(argv[i], library, reason)) std::printf("opened %zu\n", library.version);
      else std::printf("%s\n", reason.c_str());
    }
    return 0;
  }
  try {
    const striate::cuda::Blas blas;
    std::printf("created, version %zu\n", blas.version());
  } catch (const striate::cuda::Failure& failure) {
    std::printf("%s\n", failure.text().c_str());
  }
  return 0;
}
