// Matrix multiplication in the words of the project: row-major, channels innermost.
#pragma once
#include <map>
#include <optional>
#include <tuple>

#include "cuda/blas/library.h"
#include "ops/view.h"

namespace striate::cuda {

enum class Epilogue { None, Bias, Relu, BiasRelu };

// C [m, n] = epilogue(op(A) [m, k] * op(B) [k, n] + beta * C), all row-major; a pitch is the distance
// between rows. `bias` [n] is added to every row, stored as C is. `batches` multiplications lie `stride`
// elements apart. A and B are stored as `input`, C as `output`: both float32, both of the same 16 bits, or
// float32 from 16 bits. Sums are float32 in any case.
struct Multiplication {
  std::int64_t m, n, k;
  const void* a;
  std::int64_t aPitch;
  bool transposeA;  // A is stored as [k, m]
  const void* b;
  std::int64_t bPitch;
  bool transposeB;  // B is stored as [n, k]
  void* c;
  std::int64_t cPitch;
  float beta = 0;
  DType input = DType::Float32, output = DType::Float32;
  bool tf32 = false;  // float32 factors are rounded to TF32's ten bits
  std::int64_t batches = 1;
  std::int64_t aStride = 0, bStride = 0, cStride = 0;
  Epilogue epilogue = Epilogue::None;
  const void* bias = nullptr;
  std::int64_t biasStride = 0;
  // [n], stored as C is: becomes the column sums of B, where the epilogue is None and there is one batch.
  void* columnSums = nullptr;
};

struct BlasWorkspace {
  void* data = nullptr;
  std::size_t bytes = 0;
};

// One handle of cuBLASLt with the algorithms chosen so far: one heuristic call for each shape, kept, so
// that a step chooses nothing and captures the same graph each time.
class Blas {
 public:
  Blas();
  ~Blas();
  Blas(const Blas&) = delete;
  Blas& operator=(const Blas&) = delete;

  void multiply(const Multiplication& g, BlasWorkspace workspace, cudaStream_t stream);
  // False when the library has no algorithm for it; nothing has happened then.
  bool tryMultiply(const Multiplication& g, BlasWorkspace workspace, cudaStream_t stream);
  std::size_t version() const { return library_.version; }
  const std::string& path() const { return library_.path; }

 private:
  using Key = std::tuple<std::int64_t, std::int64_t, std::int64_t, std::int64_t, std::int64_t,
                         std::int64_t, int, std::int64_t, int, std::size_t>;
  void check(lt::Status status, const std::string& call) const;
  // Null: there is none.
  const lt::Algorithm* choose(const Multiplication& g, const Key& key, void* description,
                              void* const (&layouts)[3], std::size_t workspaceBytes);

  const lt::Library& library_;
  lt::Handle handle_ = nullptr;
  std::map<Key, std::optional<lt::Algorithm>> algorithms_;
};

}  // namespace striate::cuda
