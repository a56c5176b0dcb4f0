// The part of cuBLASLt that Striate uses, declared here: the library is opened at run time, its headers
// are not needed to build. A test compares every line with NVIDIA's header where that is to be had.
// Source: NVIDIA cuBLAS documentation, chapter cuBLASLt.
#pragma once
#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>

namespace striate::cuda::lt {

using Status = int;
constexpr Status kSuccess = 0;         // CUBLAS_STATUS_SUCCESS
constexpr Status kNotInitialized = 1;  // CUBLAS_STATUS_NOT_INITIALIZED
constexpr Status kAllocFailed = 3;     // CUBLAS_STATUS_ALLOC_FAILED
constexpr Status kInvalidValue = 7;    // CUBLAS_STATUS_INVALID_VALUE
constexpr Status kExecutionFailed = 13;
constexpr Status kNotSupported = 15;

constexpr int kReal32 = 0;    // CUDA_R_32F
constexpr int kReal16 = 2;    // CUDA_R_16F
constexpr int kRealB16 = 14;  // CUDA_R_16BF

constexpr int kCompute32 = 68;    // CUBLAS_COMPUTE_32F
constexpr int kComputeTf32 = 77;  // CUBLAS_COMPUTE_32F_FAST_TF32

constexpr std::int32_t kOpNone = 0;       // CUBLAS_OP_N
constexpr std::int32_t kOpTranspose = 1;  // CUBLAS_OP_T

// cublasLtMatmulDescAttributes_t
constexpr int kDescPointerMode = 2;
constexpr int kDescTransposeA = 3;
constexpr int kDescTransposeB = 4;
constexpr int kDescEpilogue = 7;
constexpr int kDescBiasPointer = 8;
constexpr int kDescBiasBatchStride = 10;
constexpr int kDescBiasDataType = 26;

// cublasLtEpilogue_t
constexpr std::uint32_t kEpilogueDefault = 1;
constexpr std::uint32_t kEpilogueRelu = 2;
constexpr std::uint32_t kEpilogueBias = 4;
constexpr std::uint32_t kEpilogueReluBias = 6;
constexpr std::uint32_t kEpilogueBiasGradientA = 256;
constexpr std::uint32_t kEpilogueBiasGradientB = 512;

// cublasLtMatrixLayoutAttribute_t
constexpr int kLayoutBatchCount = 5;
constexpr int kLayoutBatchStride = 6;

// cublasLtMatmulPreferenceAttributes_t
constexpr int kPreferenceWorkspaceBytes = 1;
constexpr int kPreferenceAlignmentA = 5;
constexpr int kPreferenceAlignmentB = 6;
constexpr int kPreferenceAlignmentC = 7;
constexpr int kPreferenceAlignmentD = 8;

using Handle = void*;
using MatmulDesc = void*;
using MatrixLayout = void*;
using Preference = void*;

struct Algorithm {
  std::uint64_t data[8];
};
struct HeuristicResult {
  Algorithm algorithm;
  std::size_t workspaceBytes;
  Status state;
  float wavesCount;
  int reserved[4];
};

}  // namespace striate::cuda::lt

// Every function that is resolved: STRIATE_LT(name without the prefix, result, parameters).
#define STRIATE_CUBLASLT(STRIATE_LT)                                                              \
  STRIATE_LT(GetVersion, std::size_t, (void))                                                     \
  STRIATE_LT(GetStatusString, const char*, (::striate::cuda::lt::Status))                         \
  STRIATE_LT(Create, ::striate::cuda::lt::Status, (::striate::cuda::lt::Handle*))                 \
  STRIATE_LT(Destroy, ::striate::cuda::lt::Status, (::striate::cuda::lt::Handle))                 \
  STRIATE_LT(MatmulDescCreate, ::striate::cuda::lt::Status,                                       \
             (::striate::cuda::lt::MatmulDesc*, int, int))                                        \
  STRIATE_LT(MatmulDescDestroy, ::striate::cuda::lt::Status, (::striate::cuda::lt::MatmulDesc))   \
  STRIATE_LT(MatmulDescSetAttribute, ::striate::cuda::lt::Status,                                 \
             (::striate::cuda::lt::MatmulDesc, int, const void*, std::size_t))                    \
  STRIATE_LT(                                                                                     \
      MatrixLayoutCreate, ::striate::cuda::lt::Status,                                            \
      (::striate::cuda::lt::MatrixLayout*, int, std::uint64_t, std::uint64_t, std::int64_t))      \
  STRIATE_LT(MatrixLayoutDestroy, ::striate::cuda::lt::Status,                                    \
             (::striate::cuda::lt::MatrixLayout))                                                 \
  STRIATE_LT(MatrixLayoutSetAttribute, ::striate::cuda::lt::Status,                               \
             (::striate::cuda::lt::MatrixLayout, int, const void*, std::size_t))                  \
  STRIATE_LT(MatmulPreferenceCreate, ::striate::cuda::lt::Status,                                 \
             (::striate::cuda::lt::Preference*))                                                  \
  STRIATE_LT(MatmulPreferenceDestroy, ::striate::cuda::lt::Status,                                \
             (::striate::cuda::lt::Preference))                                                   \
  STRIATE_LT(MatmulPreferenceSetAttribute, ::striate::cuda::lt::Status,                           \
             (::striate::cuda::lt::Preference, int, const void*, std::size_t))                    \
  STRIATE_LT(MatmulAlgoGetHeuristic, ::striate::cuda::lt::Status,                                 \
             (::striate::cuda::lt::Handle, ::striate::cuda::lt::MatmulDesc,                       \
              ::striate::cuda::lt::MatrixLayout, ::striate::cuda::lt::MatrixLayout,               \
              ::striate::cuda::lt::MatrixLayout, ::striate::cuda::lt::MatrixLayout,               \
              ::striate::cuda::lt::Preference, int, ::striate::cuda::lt::HeuristicResult*, int*)) \
  STRIATE_LT(Matmul, ::striate::cuda::lt::Status,                                                 \
             (::striate::cuda::lt::Handle, ::striate::cuda::lt::MatmulDesc, const void*,          \
              const void*, ::striate::cuda::lt::MatrixLayout, const void*,                        \
              ::striate::cuda::lt::MatrixLayout, const void*, const void*,                        \
              ::striate::cuda::lt::MatrixLayout, void*, ::striate::cuda::lt::MatrixLayout,        \
              const ::striate::cuda::lt::Algorithm*, void*, std::size_t, cudaStream_t))

namespace striate::cuda::lt {

// The functions of an opened library.
struct Table {
#define STRIATE_LT_MEMBER(name, result, parameters) result(*name) parameters = nullptr;
  STRIATE_CUBLASLT(STRIATE_LT_MEMBER)
#undef STRIATE_LT_MEMBER
};

}  // namespace striate::cuda::lt
