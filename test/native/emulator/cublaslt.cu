// The emulated cuBLASLt: right products in every form that the project asks for, and each misuse that the
// real library refuses or that would read what is not there.
#include <cmath>
#include <cstring>
#include <limits>

#include "checks.h"
#include "cuda/blas/blas.h"
#include "cuda/failure.h"
#include "emulator/cublaslt.h"
#include "ops/half.h"

using namespace striate;
using namespace striate::test;
using cuda::Blas;
using cuda::BlasWorkspace;
using cuda::Epilogue;
using cuda::Multiplication;
namespace lt = cuda::lt;

namespace {

const lt::Table& table() {
  static const lt::Table t = emulator::cublasLtTable();
  return t;
}

std::vector<float> numbers(std::size_t n, unsigned seed) {
  std::vector<float> values(n);
  std::uint32_t state = seed;
  for (float& v : values) {
    state = state * 1664525u + 1013904223u;
    v = static_cast<float>(state >> 8) / static_cast<float>(1 << 24) - 0.5f;
  }
  return values;
}

// --- The row-major wrapper ----------------------------------------------------------------------------------

struct Case {
  std::string name;
  std::int64_t m, n, k, pad, batches;
  bool transposeA, transposeB;
  float beta;
  Epilogue epilogue;
};

void multiplies(Blas& blas, const Case& c) {
  reset();
  const std::int64_t rowsA = c.transposeA ? c.k : c.m, columnsA = c.transposeA ? c.m : c.k;
  const std::int64_t rowsB = c.transposeB ? c.n : c.k, columnsB = c.transposeB ? c.k : c.n;
  const std::int64_t pitchA = columnsA + c.pad, pitchB = columnsB + c.pad, pitchC = c.n + c.pad;
  const std::int64_t strideA = rowsA * pitchA, strideB = rowsB * pitchB, strideC = c.m * pitchC;
  const auto a = numbers(static_cast<std::size_t>(strideA * c.batches), 1), b = numbers(static_cast<std::size_t>(strideB * c.batches), 2);
  auto y = numbers(static_cast<std::size_t>(strideC * c.batches), 3);
  const auto bias = numbers(static_cast<std::size_t>(c.n * c.batches), 4);
  // With beta = 0 nothing of C may reach the result.
  if (c.beta == 0) std::fill(y.begin(), y.end(), std::numeric_limits<float>::quiet_NaN());
  float *const da = upload(a), *const db = upload(b), *const dy = upload(y), *const dbias = upload(bias);
  float* const workspace = allocate(1024, false);
  Multiplication g{};
  g.m = c.m, g.n = c.n, g.k = c.k;
  g.a = da, g.aPitch = pitchA, g.transposeA = c.transposeA, g.aStride = strideA;
  g.b = db, g.bPitch = pitchB, g.transposeB = c.transposeB, g.bStride = strideB;
  g.c = dy, g.cPitch = pitchC, g.cStride = strideC, g.beta = c.beta;
  g.batches = c.batches, g.epilogue = c.epilogue, g.bias = dbias, g.biasStride = c.n;
  blas.multiply(g, {workspace, 4096}, nullptr);
  Runtime::instance().waitAll();
  const std::vector<float> found = Runtime::instance().sticky == cudaSuccess ? download(dy, y.size()) : y;
  double worst = Runtime::instance().finding.empty() ? 0 : 1e9;
  const bool hasBias = c.epilogue == Epilogue::Bias || c.epilogue == Epilogue::BiasRelu;
  const bool hasRelu = c.epilogue == Epilogue::Relu || c.epilogue == Epilogue::BiasRelu;
  for (std::int64_t batch = 0; batch < c.batches; ++batch)
    for (std::int64_t i = 0; i < c.m; ++i)
      for (std::int64_t j = 0; j < c.n; ++j) {
        double sum = 0;
        for (std::int64_t l = 0; l < c.k; ++l) {
          const double p = a[static_cast<std::size_t>(batch * strideA + (c.transposeA ? l * pitchA + i : i * pitchA + l))];
          const double q = b[static_cast<std::size_t>(batch * strideB + (c.transposeB ? j * pitchB + l : l * pitchB + j))];
          sum += p * q;
        }
        const auto at = static_cast<std::size_t>(batch * strideC + i * pitchC + j);
        if (c.beta != 0) sum += static_cast<double>(c.beta) * static_cast<double>(y[at]);
        if (hasBias) sum += static_cast<double>(bias[static_cast<std::size_t>(batch * c.n + j)]);
        if (hasRelu && sum < 0) sum = 0;
        const double distance = std::fabs(static_cast<double>(found[at]) - sum);
        worst = distance > worst || std::isnan(distance) ? (std::isnan(distance) ? 1e9 : distance) : worst;
      }
  report(c.name, worst < 1e-5, std::to_string(worst) + " " + Runtime::instance().finding);
  for (float* p : {da, db, dy, dbias, workspace}) cudaFree(p);
  reset();
}

void products(Blas& blas) {
  multiplies(blas, {"a product", 5, 7, 3, 0, 1, false, false, 0, Epilogue::None});
  multiplies(blas, {"a product with pitches", 5, 7, 3, 4, 1, false, false, 0, Epilogue::None});
  multiplies(blas, {"A stored transposed", 5, 7, 3, 1, 1, true, false, 0, Epilogue::None});
  multiplies(blas, {"B stored transposed", 5, 7, 3, 1, 1, false, true, 0, Epilogue::None});
  multiplies(blas, {"both stored transposed", 8, 4, 12, 0, 1, true, true, 0, Epilogue::None});
  multiplies(blas, {"added to C", 5, 7, 3, 2, 1, false, false, 1, Epilogue::None});
  multiplies(blas, {"bias", 6, 8, 4, 0, 1, false, false, 0, Epilogue::Bias});
  multiplies(blas, {"relu", 6, 8, 4, 0, 1, false, false, 0, Epilogue::Relu});
  multiplies(blas, {"bias and relu", 6, 8, 4, 0, 1, false, false, 0, Epilogue::BiasRelu});
  multiplies(blas, {"a batch of three with bias", 6, 8, 4, 0, 3, false, false, 0, Epilogue::BiasRelu});
  multiplies(blas, {"one row", 1, 9, 5, 0, 1, false, false, 0, Epilogue::None});
}

// --- Findings ------------------------------------------------------------------------------------------------

// A square product of 8 by 8 from three vectors.
Multiplication square(const float* a, const float* b, float* c) {
  Multiplication g{};
  g.m = g.n = g.k = g.aPitch = g.bPitch = g.cPitch = g.aStride = g.bStride = g.cStride = 8;
  g.a = a;
  g.b = b;
  g.c = c;
  g.batches = 1;
  return g;
}

void findings(Blas& blas) {
  float *const a = allocate(64), *const b = allocate(64), *const c = allocate(64);
  cudaStream_t other = nullptr, compute = nullptr;
  cudaStreamCreateWithFlags(&other, cudaStreamNonBlocking);
  cudaStreamCreateWithFlags(&compute, cudaStreamNonBlocking);
  cudaEvent_t ready = nullptr;
  cudaEventCreateWithFlags(&ready, cudaEventDisableTiming);
  cudaDeviceSynchronize();

  expect("a right multiplication", "", [&] { blas.multiply(square(a, b, c), {}, compute); });
  expect("A holds no value", "uninitialised", [&] {
    float* const fresh = allocate(64, false);
    blas.multiply(square(fresh, b, c), {}, compute);
    Runtime::instance().waitAll();
    cudaFree(fresh);
  });
  expect("B holds no value", "uninitialised", [&] {
    float* const fresh = allocate(64, false);
    blas.multiply(square(a, fresh, c), {}, compute);
    Runtime::instance().waitAll();
    cudaFree(fresh);
  });
  expect("C without a value is added to", "uninitialised", [&] {
    float* const fresh = allocate(64, false);
    Multiplication g = square(a, b, fresh);
    g.beta = 1;
    blas.multiply(g, {}, compute);
    Runtime::instance().waitAll();
    cudaFree(fresh);
  });
  expect("C without a value is overwritten", "", [&] {
    float* const fresh = allocate(64, false);
    blas.multiply(square(a, b, fresh), {}, compute);
    Runtime::instance().waitAll();
    cudaFree(fresh);
  });
  expect("A leaves its allocation", "outside any allocation", [&] {
    Multiplication g = square(a, b, c);
    g.aPitch = 16;
    blas.multiply(g, {}, compute);
  });
  expect("A was freed", "use after free", [&] {
    float* const gone = allocate(64);
    cudaFree(gone);
    blas.multiply(square(gone, b, c), {}, compute);
  });
  expect("A is host memory", "host access", [&] {
    alignas(256) static float host[64];
    blas.multiply(square(host, b, c), {}, compute);
  });
  expect("C is not declared", "outside the declared", [&] {
    std::vector<emulator::DeclaredRange> ranges;
    for (const float* p : {a, b}) ranges.push_back({reinterpret_cast<std::uintptr_t>(p), reinterpret_cast<std::uintptr_t>(p) + 256, false});
    Runtime::instance().declared = std::make_shared<std::vector<emulator::DeclaredRange>>(ranges);
    blas.multiply(square(a, b, c), {}, compute);
  });
  expect("A written on another stream", "missing stream order", [&] {
    cudaMemsetAsync(const_cast<float*>(a), 0, 256, other);
    blas.multiply(square(a, b, c), {}, compute);
  });
  expect("A written on another stream, with an event", "", [&] {
    cudaMemsetAsync(const_cast<float*>(a), 0, 256, other);
    cudaEventRecord(ready, other);
    cudaStreamWaitEvent(compute, ready, 0);
    blas.multiply(square(a, b, c), {}, compute);
  });
  expect("C read on another stream", "missing stream order", [&] {
    blas.multiply(square(a, b, c), {}, compute);
    float* const elsewhere = allocate(64);
    cudaMemcpyAsync(elsewhere, c, 256, cudaMemcpyDeviceToDevice, other);
    Runtime::instance().waitAll();
    cudaFree(elsewhere);
  });
  expect("one workspace on two streams", "missing stream order", [&] {
    float *const shared = allocate(1024, false), *const c2 = allocate(64);
    cudaDeviceSynchronize();
    blas.multiply(square(a, b, c), {shared, 4096}, compute);
    blas.multiply(square(a, b, c2), {shared, 4096}, other);
    Runtime::instance().waitAll();
    cudaFree(shared);
    cudaFree(c2);
  });
  expect("the workspace's contents are the library's", "uninitialised", [&] {
    float* const workspace = allocate(64);
    blas.multiply(square(a, b, c), {workspace, 256}, compute);
    blas.multiply(square(workspace, b, c), {}, compute);
    Runtime::instance().waitAll();
    cudaFree(workspace);
  });

  // Nothing is computed before its time: a product that is enqueued has not happened.
  reset();
  const float ones[64] = {1, 1, 1};
  cudaMemcpy(c, ones, sizeof ones, cudaMemcpyHostToDevice);
  const auto before = Runtime::instance().counts.synchronizations;
  blas.multiply(square(a, b, c), {}, compute);
  report("a call does not wait", Runtime::instance().counts.synchronizations == before && cudaStreamQuery(compute) == cudaErrorNotReady, "");
  cudaEventDestroy(ready);
  cudaStreamDestroy(compute);
  cudaStreamDestroy(other);
  for (float* p : {a, b, c}) cudaFree(p);
}

// --- TF32 ------------------------------------------------------------------------------------------------------

void tf32() {
  reset();
  // 1 + 2^-11 has no place in ten bits of mantissa and is a tie: it becomes 1; 1 + 3 * 2^-11 becomes 1 + 2^-9.
  const float x = 1.0f + std::ldexp(1.0f, -11), y = 1.0f + 3 * std::ldexp(1.0f, -11), z = 1.0f + std::ldexp(1.0f, -10);
  float* const a = upload({x, 0, 0, 0, y, 0, 0, 0, z, 0, 0, 0});
  float* const b = upload({1, 0, 0, 0});
  float* const c = allocate(12);
  Multiplication g{};
  g.m = 3, g.n = 1, g.k = 1, g.aPitch = g.bPitch = g.cPitch = 4, g.batches = 1;
  g.a = a, g.b = b, g.c = c;
  Blas blas;
  blas.multiply(g, {}, nullptr);
  const auto full = download(c, 12);
  g.tf32 = true;
  blas.multiply(g, {}, nullptr);
  const auto rounded = download(c, 12);
  report("float32 keeps every bit", full[0] == x && full[4] == y && full[8] == z, std::to_string(full[0]));
  report("TF32 rounds to ten bits, ties to even",
         rounded[0] == 1.0f && rounded[4] == 1.0f + std::ldexp(1.0f, -9) && rounded[8] == z, std::to_string(rounded[4]));
  for (float* p : {a, b, c}) cudaFree(p);
  reset();
}

// --- 16 bits ----------------------------------------------------------------------------------------------------

// Two numbers of type S in the memory of one float.
template <class S>
float pair(float first, float second) {
  const S values[2] = {fromFloat<S>(first), fromFloat<S>(second)};
  float both;
  std::memcpy(&both, values, 4);
  return both;
}
template <class S>
float firstOf(float both) {
  S value;
  std::memcpy(&value, &both, sizeof value);
  return toFloat(value);
}

template <class S>
void halves(DType type, const std::string& name, int bits) {
  reset();
  // [1, tiny] times [1, 1]: the sum has one bit more than S holds, and float32 keeps it.
  const float tiny = std::ldexp(1.0f, -bits), sum = 1 + tiny, up = 1 + std::ldexp(1.0f, 1 - bits);
  float* const a = upload({pair<S>(1, tiny), 0, 0, 0});
  float* const b = upload({pair<S>(1, 1), 0, 0, 0});
  float* const c = upload({pair<S>(0, 0), 0, 0, 0});
  float* const bias = upload({pair<S>(tiny, 0), 0, 0, 0});
  Multiplication g{};
  g.m = g.n = 1, g.k = 2, g.aPitch = g.bPitch = g.cPitch = 2, g.batches = 1;
  g.transposeB = true;
  g.a = a, g.b = b, g.c = c;
  g.input = type;
  Blas blas;
  blas.multiply(g, {}, nullptr);
  report(name + ": float32 from 16 bits is not rounded", download(c, 1)[0] == sum, std::to_string(download(c, 1)[0]));
  g.output = type;
  blas.multiply(g, {}, nullptr);
  report(name + ": the output is rounded, ties to even", firstOf<S>(download(c, 1)[0]) == 1, "");
  g.epilogue = Epilogue::Bias;
  g.bias = bias;
  blas.multiply(g, {}, nullptr);
  report(name + ": the bias is added before rounding", firstOf<S>(download(c, 1)[0]) == up, "");
  for (float* p : {a, b, c, bias}) cudaFree(p);
  reset();
}

// --- What the library refuses --------------------------------------------------------------------------------------

// Handles for C [8, 8] = A B, column-major, that a check spoils in one place.
struct Raw {
  lt::Handle handle = nullptr;
  void *description = nullptr, *a = nullptr, *b = nullptr, *c = nullptr, *preference = nullptr;
  lt::HeuristicResult result{};
  float *pa = allocate(128), *pb = allocate(128), *pc = allocate(128), *workspace = allocate(256, false);
  float alpha = 1, beta = 0;
  std::size_t workspaceBytes = 1024;

  Raw() {
    const lt::Table& t = table();
    t.Create(&handle);
    t.MatmulDescCreate(&description, lt::kCompute32, lt::kReal32);
    for (void** l : {&a, &b, &c}) t.MatrixLayoutCreate(l, lt::kReal32, 8, 8, 8);
    t.MatmulPreferenceCreate(&preference);
    const std::uint64_t bytes = 1024;
    t.MatmulPreferenceSetAttribute(preference, lt::kPreferenceWorkspaceBytes, &bytes, sizeof bytes);
    const std::uint32_t alignment = 16;
    for (const int which : {lt::kPreferenceAlignmentA, lt::kPreferenceAlignmentB, lt::kPreferenceAlignmentC, lt::kPreferenceAlignmentD})
      t.MatmulPreferenceSetAttribute(preference, which, &alignment, sizeof alignment);
  }
  ~Raw() {
    const lt::Table& t = table();
    t.MatmulPreferenceDestroy(preference);
    for (void* l : {a, b, c}) t.MatrixLayoutDestroy(l);
    t.MatmulDescDestroy(description);
    t.Destroy(handle);
    for (float* p : {pa, pb, pc, workspace}) cudaFree(p);
  }
  Raw(const Raw&) = delete;
  Raw& operator=(const Raw&) = delete;

  lt::Status choose() {
    int found = 0;
    return table().MatmulAlgoGetHeuristic(handle, description, a, b, c, c, preference, 1, &result, &found);
  }
  lt::Status multiply() {
    return table().Matmul(handle, description, &alpha, pa, a, pb, b, &beta, pc, c, pc, c, &result.algorithm, workspace,
                          workspaceBytes, nullptr);
  }
  lt::Status replace(void*& layout, std::uint64_t rows, std::uint64_t columns, std::int64_t ld, int type = lt::kReal32) {
    table().MatrixLayoutDestroy(layout);
    layout = nullptr;
    return table().MatrixLayoutCreate(&layout, type, rows, columns, ld);
  }
  // The heuristic's answer for A, B and C of these types.
  lt::Status chooseTypes(int typeA, int typeB, int typeC) {
    replace(a, 8, 8, 8, typeA);
    replace(b, 8, 8, 8, typeB);
    replace(c, 8, 8, 8, typeC);
    return choose();
  }
};

void refuses(const std::string& what, lt::Status expected, const std::function<lt::Status(Raw&)>& body) {
  reset();
  {
    Raw raw;
    const lt::Status status = body(raw);
    report(what, status == expected, table().GetStatusString(status));
  }
  reset();
}

void refusals() {
  refuses("nothing wrong", lt::kSuccess, [](Raw& r) { return r.choose() != lt::kSuccess ? -1 : r.multiply(); });
  refuses("a leading dimension smaller than the rows", lt::kInvalidValue, [](Raw& r) { return r.replace(r.a, 8, 8, 7); });
  refuses("extents that do not agree", lt::kInvalidValue, [](Raw& r) {
    r.replace(r.a, 8, 9, 8);
    return r.choose();
  });
  refuses("batches that do not agree", lt::kInvalidValue, [](Raw& r) {
    const std::int32_t two = 2;
    table().MatrixLayoutSetAttribute(r.a, lt::kLayoutBatchCount, &two, sizeof two);
    return r.choose();
  });
  refuses("a pointer below the preference's alignment", lt::kInvalidValue, [](Raw& r) {
    r.choose();
    r.pa += 1;
    const lt::Status status = r.multiply();
    r.pa -= 1;
    return status;
  });
  refuses("a smaller workspace than the algorithm's", lt::kInvalidValue, [](Raw& r) {
    r.choose();
    r.workspaceBytes = 512;
    return r.multiply();
  });
  refuses("an algorithm of another shape", lt::kInvalidValue, [](Raw& r) {
    r.choose();
    for (void** l : {&r.a, &r.b, &r.c}) r.replace(*l, 4, 4, 8);
    return r.multiply();
  });
  refuses("no algorithm", lt::kInvalidValue, [](Raw& r) {
    return table().Matmul(r.handle, r.description, &r.alpha, r.pa, r.a, r.pb, r.b, &r.beta, r.pc, r.c, r.pc, r.c, nullptr, nullptr, 0, nullptr);
  });
  refuses("an attribute of the wrong size", lt::kInvalidValue, [](Raw& r) {
    const std::int64_t transpose = 1;
    return table().MatmulDescSetAttribute(r.description, lt::kDescTransposeA, &transpose, sizeof transpose);
  });
  refuses("an unknown attribute", lt::kInvalidValue, [](Raw& r) {
    const std::int32_t value = 1;
    return table().MatmulDescSetAttribute(r.description, 999, &value, sizeof value);
  });
  refuses("an unknown compute type", lt::kNotSupported, [](Raw&) {
    void* d = nullptr;
    return table().MatmulDescCreate(&d, 12345, lt::kReal32);
  });
  refuses("an unknown element type", lt::kInvalidValue, [](Raw&) {
    void* l = nullptr;
    return table().MatrixLayoutCreate(&l, 77, 8, 8, 8);
  });
  struct Types {
    const char* what;
    int a, b, c;
    lt::Status expected;
  };
  for (const Types& t : {Types{"bfloat16 from bfloat16", lt::kRealB16, lt::kRealB16, lt::kRealB16, lt::kSuccess},
                         Types{"float32 from bfloat16", lt::kRealB16, lt::kRealB16, lt::kReal32, lt::kSuccess},
                         Types{"float16 from float16", lt::kReal16, lt::kReal16, lt::kReal16, lt::kSuccess},
                         Types{"float32 from float16", lt::kReal16, lt::kReal16, lt::kReal32, lt::kSuccess},
                         Types{"float16 from bfloat16", lt::kRealB16, lt::kRealB16, lt::kReal16, lt::kNotSupported},
                         Types{"float16 times bfloat16", lt::kReal16, lt::kRealB16, lt::kReal32, lt::kNotSupported},
                         Types{"float32 times bfloat16", lt::kReal32, lt::kRealB16, lt::kReal32, lt::kNotSupported},
                         Types{"bfloat16 from float32", lt::kReal32, lt::kReal32, lt::kRealB16, lt::kNotSupported}})
    refuses(t.what, t.expected, [&](Raw& r) { return r.chooseTypes(t.a, t.b, t.c); });
  refuses("TF32 of 16-bit factors", lt::kNotSupported, [](Raw& r) {
    table().MatmulDescDestroy(r.description);
    table().MatmulDescCreate(&r.description, lt::kComputeTf32, lt::kReal32);
    return r.chooseTypes(lt::kRealB16, lt::kRealB16, lt::kRealB16);
  });
  refuses("a bias of another type than the output", lt::kNotSupported, [](Raw& r) {
    const std::int32_t type = lt::kReal32;
    table().MatmulDescSetAttribute(r.description, lt::kDescBiasDataType, &type, sizeof type);
    return r.chooseTypes(lt::kRealB16, lt::kRealB16, lt::kRealB16);
  });
  refuses("a bias epilogue without a bias", lt::kInvalidValue, [](Raw& r) {
    const std::uint32_t epilogue = lt::kEpilogueBias;
    table().MatmulDescSetAttribute(r.description, lt::kDescEpilogue, &epilogue, sizeof epilogue);
    r.choose();
    return r.multiply();
  });
  refuses("device scalars", lt::kNotSupported, [](Raw& r) {
    const std::int32_t device = 1;
    table().MatmulDescSetAttribute(r.description, lt::kDescPointerMode, &device, sizeof device);
    r.choose();
    return r.multiply();
  });
  refuses("no handle", lt::kNotInitialized, [](Raw& r) {
    r.choose();
    return table().Matmul(nullptr, r.description, &r.alpha, r.pa, r.a, r.pb, r.b, &r.beta, r.pc, r.c, r.pc, r.c, &r.result.algorithm,
                          r.workspace, r.workspaceBytes, nullptr);
  });
}

void failures(Blas& blas) {
  float *const a = allocate(64), *const b = allocate(64), *const c = allocate(64);
  reset();
  Runtime::instance().faults.launch = 1;
  std::string message;
  try {
    blas.multiply(square(a, b, c), {}, nullptr);
  } catch (const cuda::Failure& f) {
    message = f.text();
  }
  report("an injected fault is named with the library's words", message.find("cublasLtMatmul") != std::string::npos &&
         message.find("CUBLAS_STATUS_EXECUTION_FAILED") != std::string::npos, message);
  reset();
  Runtime::instance().faults.allocation = 1;
  message.clear();
  try {
    Blas another;
  } catch (const cuda::Failure& f) {
    message = f.text();
  }
  report("a handle that cannot be had is named", message.find("cublasLtCreate") != std::string::npos, message);
  reset();
  for (float* p : {a, b, c}) cudaFree(p);
}

}  // namespace

int main() {
  {
    Blas blas;
    products(blas);
    findings(blas);
    tf32();
    halves<BFloat16>(DType::BFloat16, "bfloat16", 8);
    halves<Float16>(DType::Float16, "float16", 11);
    refusals();
    failures(blas);
  }
  return finish();
}
