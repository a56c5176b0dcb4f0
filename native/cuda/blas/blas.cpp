#include "cuda/blas/blas.h"

#include "cuda/failure.h"

namespace striate::cuda {

namespace {

// Destroys what it holds with the library's own function.
struct Owned {
  void* handle = nullptr;
  lt::Status (*destroy)(void*);
  explicit Owned(lt::Status (*d)(void*)) : destroy(d) {}
  ~Owned() {
    if (handle != nullptr) destroy(handle);
  }
  Owned(const Owned&) = delete;
  Owned& operator=(const Owned&) = delete;
};

// The largest power of two up to 256 that divides an address and, in bytes, its pitch and stride.
std::uint32_t alignment(const void* p, DType type, std::int64_t pitch, std::int64_t stride) {
  const std::uint64_t bits = reinterpret_cast<std::uintptr_t>(p) |
                             static_cast<std::uint64_t>(pitch * sizeOf(type)) |
                             static_cast<std::uint64_t>(stride * sizeOf(type)) | 256;
  return static_cast<std::uint32_t>(bits & (~bits + 1));
}

int typeOf(DType type) {
  return type == DType::BFloat16  ? lt::kRealB16
         : type == DType::Float16 ? lt::kReal16
                                  : lt::kReal32;
}

std::string describe(const Multiplication& g) {
  return "matrix multiplication [" + std::to_string(g.m) + ", " + std::to_string(g.k) + "] x [" +
         std::to_string(g.k) + ", " + std::to_string(g.n) + "]";
}

}  // namespace

Blas::Blas() : library_(lt::open()) {
  const lt::Status status = library_.table.Create(&handle_);
  if (status == lt::kSuccess) return;
  handle_ = nullptr;
  if (status != lt::kNotInitialized) check(status, "cublasLtCreate");
  throw Failure{cudaErrorInitializationError, "cublasLtCreate",
                "CUBLAS_STATUS_NOT_INITIALIZED from " + library_.path + ", version " +
                    std::to_string(library_.version) +
                    ": there is no usable GPU or driver, or its memory is full"};
}

Blas::~Blas() {
  if (handle_ != nullptr) library_.table.Destroy(handle_);
}

void Blas::check(lt::Status status, const std::string& call) const {
  if (status == lt::kSuccess) return;
  // What a kernel of the library did wrong is the runtime's to say.
  const cudaError_t last = cudaPeekAtLastError();
  const cudaError_t error =
      status == lt::kAllocFailed ? cudaErrorMemoryAllocation : cudaErrorUnknown;
  throw Failure{
      last != cudaSuccess ? last : error, call,
      std::string(library_.table.GetStatusString(status)) + " (" + std::to_string(status) + ")"};
}

// The one place where row-major meets column-major: a row-major [m, n] matrix is the column-major [n, m]
// one with the pitch as its leading dimension. So C = A B is asked for as C' = B' A', and the bias of a
// column of C becomes the bias of a row of C', which is what the library's epilogue adds.
bool Blas::tryMultiply(const Multiplication& g, BlasWorkspace workspace, cudaStream_t stream) {
  const lt::Table& t = library_.table;
  Owned description(t.MatmulDescDestroy);
  const bool tf32 = g.tf32 && g.input == DType::Float32;
  check(t.MatmulDescCreate(&description.handle, tf32 ? lt::kComputeTf32 : lt::kCompute32,
                           lt::kReal32),
        "cublasLtMatmulDescCreate");
  const auto set = [&](int attribute, const auto& value) {
    check(t.MatmulDescSetAttribute(description.handle, attribute, &value, sizeof value),
          "cublasLtMatmulDescSetAttribute");
  };
  const std::int32_t first = g.transposeB ? lt::kOpTranspose : lt::kOpNone;
  const std::int32_t second = g.transposeA ? lt::kOpTranspose : lt::kOpNone;
  set(lt::kDescTransposeA, first);
  set(lt::kDescTransposeB, second);
  const bool bias = g.epilogue == Epilogue::Bias || g.epilogue == Epilogue::BiasRelu;
  const bool relu = g.epilogue == Epilogue::Relu || g.epilogue == Epilogue::BiasRelu;
  // B' is the library's first factor: its row sums are the column sums of B.
  const std::uint32_t epilogue = g.columnSums != nullptr ? lt::kEpilogueBiasGradientA
                                 : bias ? (relu ? lt::kEpilogueReluBias : lt::kEpilogueBias)
                                        : (relu ? lt::kEpilogueRelu : lt::kEpilogueDefault);
  set(lt::kDescEpilogue, epilogue);
  if (bias) set(lt::kDescBiasPointer, g.bias);
  if (g.columnSums != nullptr) set(lt::kDescBiasPointer, g.columnSums);
  if (bias && g.batches > 1) set(lt::kDescBiasBatchStride, g.biasStride);

  Owned b(t.MatrixLayoutDestroy), a(t.MatrixLayoutDestroy), c(t.MatrixLayoutDestroy);
  const auto layout = [&](Owned& o, DType type, std::int64_t rows, std::int64_t columns,
                          std::int64_t pitch, std::int64_t stride) {
    check(t.MatrixLayoutCreate(&o.handle, typeOf(type), static_cast<std::uint64_t>(rows),
                               static_cast<std::uint64_t>(columns), pitch),
          "cublasLtMatrixLayoutCreate");
    if (g.batches == 1) return;
    const auto count = static_cast<std::int32_t>(g.batches);
    check(t.MatrixLayoutSetAttribute(o.handle, lt::kLayoutBatchCount, &count, sizeof count),
          "cublasLtMatrixLayoutSetAttribute");
    check(t.MatrixLayoutSetAttribute(o.handle, lt::kLayoutBatchStride, &stride, sizeof stride),
          "cublasLtMatrixLayoutSetAttribute");
  };
  layout(b, g.input, g.transposeB ? g.k : g.n, g.transposeB ? g.n : g.k, g.bPitch, g.bStride);
  layout(a, g.input, g.transposeA ? g.m : g.k, g.transposeA ? g.k : g.m, g.aPitch, g.aStride);
  layout(c, g.output, g.n, g.m, g.cPitch, g.cStride);

  const int flags = (g.transposeA ? 1 : 0) | (g.transposeB ? 2 : 0) | (g.beta != 0 ? 4 : 0) |
                    (tf32 ? 8 : 0) | static_cast<int>(epilogue << 4) | typeOf(g.input) << 16 |
                    typeOf(g.output) << 22;
  const int alignments = static_cast<int>(alignment(g.b, g.input, g.bPitch, g.bStride) |
                                          alignment(g.a, g.input, g.aPitch, g.aStride) << 9 |
                                          alignment(g.c, g.output, g.cPitch, g.cStride) << 18);
  const Key key{g.m,      g.n,   g.k,       g.aPitch,   g.bPitch,
                g.cPitch, flags, g.batches, alignments, workspace.bytes};
  const lt::Algorithm* const algorithm =
      choose(g, key, description.handle, {b.handle, a.handle, c.handle}, workspace.bytes);
  if (algorithm == nullptr) return false;
  const float alpha = 1, beta = g.beta;
  check(t.Matmul(handle_, description.handle, &alpha, g.b, b.handle, g.a, a.handle, &beta, g.c,
                 c.handle, g.c, c.handle, algorithm, workspace.data, workspace.bytes, stream),
        "cublasLtMatmul of " + describe(g));
  return true;
}

void Blas::multiply(const Multiplication& g, BlasWorkspace workspace, cudaStream_t stream) {
  if (!tryMultiply(g, workspace, stream))
    check(lt::kNotSupported, "cublasLtMatmulAlgoGetHeuristic for " + describe(g));
}

const lt::Algorithm* Blas::choose(const Multiplication& g, const Key& key, void* description,
                                  void* const (&layouts)[3], std::size_t workspaceBytes) {
  const auto known = algorithms_.find(key);
  if (known != algorithms_.end()) return known->second ? &*known->second : nullptr;
  const lt::Table& t = library_.table;
  Owned preference(t.MatmulPreferenceDestroy);
  check(t.MatmulPreferenceCreate(&preference.handle), "cublasLtMatmulPreferenceCreate");
  const auto prefer = [&](int attribute, const auto& value) {
    check(t.MatmulPreferenceSetAttribute(preference.handle, attribute, &value, sizeof value),
          "cublasLtMatmulPreferenceSetAttribute");
  };
  prefer(lt::kPreferenceWorkspaceBytes, workspaceBytes);
  prefer(lt::kPreferenceAlignmentA, alignment(g.b, g.input, g.bPitch, g.bStride));
  prefer(lt::kPreferenceAlignmentB, alignment(g.a, g.input, g.aPitch, g.aStride));
  prefer(lt::kPreferenceAlignmentC, alignment(g.c, g.output, g.cPitch, g.cStride));
  prefer(lt::kPreferenceAlignmentD, alignment(g.c, g.output, g.cPitch, g.cStride));
  lt::HeuristicResult result{};
  int found = 0;
  const lt::Status status =
      t.MatmulAlgoGetHeuristic(handle_, description, layouts[0], layouts[1], layouts[2], layouts[2],
                               preference.handle, 1, &result, &found);
  if (status != lt::kNotSupported)
    check(status, "cublasLtMatmulAlgoGetHeuristic for " + describe(g));
  const bool usable = status == lt::kSuccess && found > 0 && result.state == lt::kSuccess;
  auto& kept = algorithms_[key];
  if (usable) kept = result.algorithm;
  return kept ? &*kept : nullptr;
}

}  // namespace striate::cuda
