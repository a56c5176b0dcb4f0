// Compares every line of cuda/blas/cublaslt.h with NVIDIA's header, at compile time. Compiled by a test
// where the header is to be had: the includes come from its folder and the CUDA toolkit.
#include <cublasLt.h>

// NVIDIA's names come first; ours must not disturb them.
#include "cuda/blas/cublaslt.h"

#include <type_traits>

namespace lt = striate::cuda::lt;

#define SAME(ours, theirs) static_assert(static_cast<long long>(ours) == static_cast<long long>(theirs), #ours " = " #theirs)
SAME(lt::kSuccess, CUBLAS_STATUS_SUCCESS);
SAME(lt::kNotInitialized, CUBLAS_STATUS_NOT_INITIALIZED);
SAME(lt::kAllocFailed, CUBLAS_STATUS_ALLOC_FAILED);
SAME(lt::kInvalidValue, CUBLAS_STATUS_INVALID_VALUE);
SAME(lt::kExecutionFailed, CUBLAS_STATUS_EXECUTION_FAILED);
SAME(lt::kNotSupported, CUBLAS_STATUS_NOT_SUPPORTED);
SAME(lt::kReal32, CUDA_R_32F);
SAME(lt::kReal16, CUDA_R_16F);
SAME(lt::kRealB16, CUDA_R_16BF);
SAME(lt::kCompute32, CUBLAS_COMPUTE_32F);
SAME(lt::kComputeTf32, CUBLAS_COMPUTE_32F_FAST_TF32);
SAME(lt::kOpNone, CUBLAS_OP_N);
SAME(lt::kOpTranspose, CUBLAS_OP_T);
SAME(lt::kDescPointerMode, CUBLASLT_MATMUL_DESC_POINTER_MODE);
SAME(lt::kDescTransposeA, CUBLASLT_MATMUL_DESC_TRANSA);
SAME(lt::kDescTransposeB, CUBLASLT_MATMUL_DESC_TRANSB);
SAME(lt::kDescEpilogue, CUBLASLT_MATMUL_DESC_EPILOGUE);
SAME(lt::kDescBiasPointer, CUBLASLT_MATMUL_DESC_BIAS_POINTER);
SAME(lt::kDescBiasBatchStride, CUBLASLT_MATMUL_DESC_BIAS_BATCH_STRIDE);
SAME(lt::kDescBiasDataType, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE);
SAME(lt::kEpilogueDefault, CUBLASLT_EPILOGUE_DEFAULT);
SAME(lt::kEpilogueRelu, CUBLASLT_EPILOGUE_RELU);
SAME(lt::kEpilogueBias, CUBLASLT_EPILOGUE_BIAS);
SAME(lt::kEpilogueReluBias, CUBLASLT_EPILOGUE_RELU_BIAS);
SAME(lt::kEpilogueBiasGradientA, CUBLASLT_EPILOGUE_BGRADA);
SAME(lt::kEpilogueBiasGradientB, CUBLASLT_EPILOGUE_BGRADB);
SAME(lt::kLayoutBatchCount, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT);
SAME(lt::kLayoutBatchStride, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET);
SAME(lt::kPreferenceWorkspaceBytes, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES);
SAME(lt::kPreferenceAlignmentA, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES);
SAME(lt::kPreferenceAlignmentB, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES);
SAME(lt::kPreferenceAlignmentC, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES);
SAME(lt::kPreferenceAlignmentD, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES);
#undef SAME

static_assert(sizeof(lt::Algorithm) == sizeof(cublasLtMatmulAlgo_t));
static_assert(sizeof(lt::HeuristicResult) == sizeof(cublasLtMatmulHeuristicResult_t));
static_assert(offsetof(lt::HeuristicResult, workspaceBytes) == offsetof(cublasLtMatmulHeuristicResult_t, workspaceSize));
static_assert(offsetof(lt::HeuristicResult, state) == offsetof(cublasLtMatmulHeuristicResult_t, state));
static_assert(offsetof(lt::HeuristicResult, wavesCount) == offsetof(cublasLtMatmulHeuristicResult_t, wavesCount));

// Two types travel the same way in a call: pointers as pointers, enums and integers of one size alike.
template <class Ours, class Theirs>
constexpr bool sameParameter() {
  if constexpr (std::is_pointer_v<Ours> || std::is_pointer_v<Theirs>) return std::is_pointer_v<Ours> && std::is_pointer_v<Theirs>;
  else return sizeof(Ours) == sizeof(Theirs) && !std::is_floating_point_v<Ours> && !std::is_floating_point_v<Theirs>;
}
template <class Ours, class Theirs>
struct SameFunction : std::false_type {};
template <class OurResult, class... Ours, class TheirResult, class... Theirs>
struct SameFunction<OurResult (*)(Ours...), TheirResult (*)(Theirs...)> {
  static constexpr bool count = sizeof...(Ours) == sizeof...(Theirs);
  static constexpr bool value = [] {
    if constexpr (!count) return false;
    else return sameParameter<OurResult, TheirResult>() && (sameParameter<Ours, Theirs>() && ...);
  }();
};
#define STRIATE_LT_COMPARE(name, result, parameters) \
  static_assert(SameFunction<decltype(lt::Table::name), decltype(&cublasLt##name)>::value, "cublasLt" #name);
STRIATE_CUBLASLT(STRIATE_LT_COMPARE)

int main() { return 0; }
