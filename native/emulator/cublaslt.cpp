#include "emulator/cublaslt.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <mutex>
#include <vector>

#include "emulator/card.h"
#include "emulator/runtime.h"
#include "ops/half.h"

namespace striate::emulator {

namespace {

using cuda::lt::Algorithm;
using cuda::lt::Handle;
using cuda::lt::HeuristicResult;
using cuda::lt::Status;
namespace lt = cuda::lt;

constexpr std::uint32_t kMagic = 0x5354524cu;

struct Library {
  std::uint32_t magic = kMagic;
};
struct Description {
  int compute, scale;
  std::int32_t transposeA = lt::kOpNone, transposeB = lt::kOpNone;
  std::int32_t pointerMode = 0;  // host
  std::uint32_t epilogue = lt::kEpilogueDefault;
  const void* bias = nullptr;
  std::int32_t biasType = -1;  // that of D
  std::int64_t biasStride = 0;
};
struct Layout {
  int type;
  std::uint64_t rows, columns;
  std::int64_t ld;
  std::int32_t batches = 1;
  std::int64_t stride = 0;
};
struct PreferenceData {
  std::uint64_t workspaceBytes = 0;
  std::uint32_t alignment[4] = {256, 256, 256, 256};
};

// What the heuristic decided; an algorithm is right only for what it was chosen for.
struct Chosen {
  std::uint64_t shape;  // hash of description and layouts
  std::uint64_t workspaceBytes;
  std::uint32_t alignment[4];
};
static_assert(sizeof(Chosen) <= sizeof(Algorithm));

Runtime& runtime() { return Runtime::instance(); }

template <class T, class Value>
bool assign(T& to, const void* buffer, std::size_t bytes, Value) {
  if (bytes != sizeof(T)) return false;
  std::memcpy(&to, buffer, sizeof(T));
  return true;
}

std::size_t getVersion() { return 130000; }
const char* getStatusString(Status s) {
  switch (s) {
    case lt::kSuccess:
      return "CUBLAS_STATUS_SUCCESS";
    case lt::kNotInitialized:
      return "CUBLAS_STATUS_NOT_INITIALIZED";
    case lt::kAllocFailed:
      return "CUBLAS_STATUS_ALLOC_FAILED";
    case lt::kInvalidValue:
      return "CUBLAS_STATUS_INVALID_VALUE";
    case lt::kExecutionFailed:
      return "CUBLAS_STATUS_EXECUTION_FAILED";
    case lt::kNotSupported:
      return "CUBLAS_STATUS_NOT_SUPPORTED";
  }
  return "CUBLAS_STATUS_UNKNOWN";
}

Status create(Handle* handle) {
  std::lock_guard<std::recursive_mutex> lock(runtime().mutex);
  if (runtime().sticky != cudaSuccess) return lt::kNotInitialized;
  if (runtime().capturing()) return runtime().refuseInCapture(), lt::kNotInitialized;
  Faults& faults = runtime().faults;
  if (faults.allocation > 0 && --faults.allocation == 0) return lt::kAllocFailed;
  *handle = new Library();
  return lt::kSuccess;
}
Status destroy(Handle handle) {
  delete static_cast<Library*>(handle);
  return lt::kSuccess;
}

Status descCreate(void** d, int compute, int scale) {
  const bool known = compute == lt::kCompute32 || compute == lt::kComputeTf32;
  if (!known || scale != lt::kReal32) return lt::kNotSupported;
  *d = new Description{compute, scale};
  return lt::kSuccess;
}
Status descDestroy(void* d) {
  delete static_cast<Description*>(d);
  return lt::kSuccess;
}
Status descSet(void* d, int attribute, const void* buffer, std::size_t bytes) {
  if (d == nullptr || buffer == nullptr) return lt::kInvalidValue;
  Description& desc = *static_cast<Description*>(d);
  const auto set = [&](auto& field) {
    return assign(field, buffer, bytes, 0) ? lt::kSuccess : lt::kInvalidValue;
  };
  switch (attribute) {
    case lt::kDescPointerMode:
      return set(desc.pointerMode);
    case lt::kDescTransposeA:
      return set(desc.transposeA);
    case lt::kDescTransposeB:
      return set(desc.transposeB);
    case lt::kDescEpilogue:
      return set(desc.epilogue);
    case lt::kDescBiasPointer:
      return set(desc.bias);
    case lt::kDescBiasBatchStride:
      return set(desc.biasStride);
    case lt::kDescBiasDataType:
      return set(desc.biasType);
  }
  return lt::kInvalidValue;
}

Status layoutCreate(void** l, int type, std::uint64_t rows, std::uint64_t columns,
                    std::int64_t ld) {
  if (type != lt::kReal32 && type != lt::kReal16 && type != lt::kRealB16) return lt::kInvalidValue;
  if (ld < static_cast<std::int64_t>(rows)) return lt::kInvalidValue;
  *l = new Layout{type, rows, columns, ld};
  return lt::kSuccess;
}
Status layoutDestroy(void* l) {
  delete static_cast<Layout*>(l);
  return lt::kSuccess;
}
Status layoutSet(void* l, int attribute, const void* buffer, std::size_t bytes) {
  if (l == nullptr || buffer == nullptr) return lt::kInvalidValue;
  Layout& layout = *static_cast<Layout*>(l);
  const auto set = [&](auto& field) {
    return assign(field, buffer, bytes, 0) ? lt::kSuccess : lt::kInvalidValue;
  };
  if (attribute == lt::kLayoutBatchCount) return set(layout.batches);
  if (attribute == lt::kLayoutBatchStride) return set(layout.stride);
  return lt::kInvalidValue;
}

Status preferenceCreate(void** p) {
  *p = new PreferenceData();
  return lt::kSuccess;
}
Status preferenceDestroy(void* p) {
  delete static_cast<PreferenceData*>(p);
  return lt::kSuccess;
}
Status preferenceSet(void* p, int attribute, const void* buffer, std::size_t bytes) {
  if (p == nullptr || buffer == nullptr) return lt::kInvalidValue;
  PreferenceData& preference = *static_cast<PreferenceData*>(p);
  if (attribute == lt::kPreferenceWorkspaceBytes)
    return assign(preference.workspaceBytes, buffer, bytes, 0) ? lt::kSuccess : lt::kInvalidValue;
  const int which = attribute - lt::kPreferenceAlignmentA;
  if (which < 0 || which > 3) return lt::kInvalidValue;
  return assign(preference.alignment[which], buffer, bytes, 0) ? lt::kSuccess : lt::kInvalidValue;
}

std::uint64_t mix(std::uint64_t h, std::uint64_t value) { return (h ^ value) * 0x100000001b3ull; }

std::uint64_t shapeOf(const Description& d, const Layout& a, const Layout& b, const Layout& c) {
  std::uint64_t h = 0xcbf29ce484222325ull;
  for (const std::uint64_t v : {std::uint64_t(d.compute), std::uint64_t(d.transposeA),
                                std::uint64_t(d.transposeB), std::uint64_t(d.epilogue)})
    h = mix(h, v);
  for (const Layout* l : {&a, &b, &c})
    for (const std::uint64_t v : {std::uint64_t(l->type), l->rows, l->columns, std::uint64_t(l->ld),
                                  std::uint64_t(l->batches), std::uint64_t(l->stride)})
      h = mix(h, v);
  return h;
}

// The combinations of types that Striate may ask for, from the table in NVIDIA's documentation of
// cublasLtMatmul: 16-bit factors of one type with an output of theirs or of float32; TF32 for float32 alone.
// The bias and its gradient are stored as the output is.
bool supported(const Description& d, const Layout& a, const Layout& b, const Layout& c) {
  if (a.type != b.type || (c.type != a.type && c.type != lt::kReal32)) return false;
  if (d.compute == lt::kComputeTf32 && a.type != lt::kReal32) return false;
  return d.biasType == -1 || d.biasType == c.type;
}

std::uint64_t sizeOf(const Layout& l) { return l.type == lt::kReal32 ? 4 : 2; }

// Element `i` of a matrix in memory.
float get(const Layout& l, const char* p, std::uint64_t i) {
  if (l.type == lt::kReal32) return reinterpret_cast<const float*>(p)[i];
  const std::uint16_t bits = reinterpret_cast<const std::uint16_t*>(p)[i];
  return l.type == lt::kReal16 ? toFloat(Float16{bits}) : toFloat(BFloat16{bits});
}
void put(const Layout& l, char* p, std::uint64_t i, float value) {
  if (l.type == lt::kReal32)
    reinterpret_cast<float*>(p)[i] = value;
  else
    reinterpret_cast<std::uint16_t*>(p)[i] =
        l.type == lt::kReal16 ? fromFloat<Float16>(value).bits : fromFloat<BFloat16>(value).bits;
}

// The extents of op(A) op(B) = C agree.
bool agree(const Description& d, const Layout& a, const Layout& b, const Layout& c) {
  const std::uint64_t m = d.transposeA ? a.columns : a.rows, k = d.transposeA ? a.rows : a.columns;
  const std::uint64_t kb = d.transposeB ? b.columns : b.rows, n = d.transposeB ? b.rows : b.columns;
  return m == c.rows && n == c.columns && k == kb && a.batches == b.batches &&
         a.batches == c.batches;
}

Status heuristic(Handle handle, void* d, void* a, void* b, void* c, void* output, void* p, int,
                 HeuristicResult* result, int* found) {
  if (handle == nullptr || d == nullptr || a == nullptr || b == nullptr || c == nullptr ||
      output == nullptr || p == nullptr)
    return lt::kInvalidValue;
  const auto& desc = *static_cast<Description*>(d);
  const auto &la = *static_cast<Layout*>(a), &lb = *static_cast<Layout*>(b),
             &lc = *static_cast<Layout*>(c);
  const auto& preference = *static_cast<PreferenceData*>(p);
  *found = 0;
  if (!agree(desc, la, lb, lc)) return lt::kInvalidValue;
  if (!supported(desc, la, lb, lc)) return lt::kNotSupported;
  Chosen chosen{shapeOf(desc, la, lb, lc), preference.workspaceBytes, {}};
  std::memcpy(chosen.alignment, preference.alignment, sizeof chosen.alignment);
  *result = {};
  std::memcpy(&result->algorithm, &chosen, sizeof chosen);
  result->workspaceBytes = preference.workspaceBytes;
  *found = 1;
  return lt::kSuccess;
}

// Ten explicit bits of mantissa, rounded to nearest: what a TF32 unit reads.
float toTf32(float x) {
  std::uint32_t bits;
  std::memcpy(&bits, &x, 4);
  if ((bits & 0x7f800000u) != 0x7f800000u) bits = (bits + 0x0fffu + ((bits >> 13) & 1)) & ~0x1fffu;
  std::memcpy(&x, &bits, 4);
  return x;
}

struct Range {
  const void* p;
  std::uint64_t bytes;
};

Range span(const void* p, const Layout& l) {
  const std::uint64_t last =
      (l.columns - 1) * static_cast<std::uint64_t>(l.ld) + l.rows +
      static_cast<std::uint64_t>(l.batches - 1) * static_cast<std::uint64_t>(l.stride);
  return {p, last * sizeOf(l)};
}

[[noreturn]] void report(FindingKind kind, const std::string& message) {
  throw FindingError{{kind, "cublasLtMatmul", {0, 0, 0}, {0, 0, 0}, message}};
}

char* resolve(const Range& r, const char* what) {
  Allocation* a = card().memory.find(r.p);
  if (a == nullptr)
    report(card().memory.isDevicePointer(r.p) ? FindingKind::OutOfBounds : FindingKind::HostAccess,
           std::string(what) + " is no device memory");
  if (a->freed) report(FindingKind::UseAfterFree, std::string(what) + " was freed");
  if (a->offset(r.p) + r.bytes > a->bytes)
    report(FindingKind::OutOfBounds, std::string(what) + " leaves its allocation");
  return a->data.get() + a->offset(r.p);
}

void requireDefined(const void* p, const Layout& l, const char* what) {
  Allocation* a = card().memory.find(p);
  for (std::int32_t batch = 0; batch < l.batches; ++batch)
    for (std::uint64_t column = 0; column < l.columns; ++column) {
      const std::uint64_t at =
          a->offset(p) + sizeOf(l) * (static_cast<std::uint64_t>(batch) * l.stride + column * l.ld);
      if (!a->shadow->defined(at, l.rows * sizeOf(l)))
        report(FindingKind::UninitialisedRead, std::string(what) + " holds no value");
    }
}

void requireDeclared(const std::vector<DeclaredRange>& declared, const Range& r, bool writes,
                     const char* what) {
  const auto begin = reinterpret_cast<std::uintptr_t>(r.p);
  for (const DeclaredRange& d : declared)
    if (begin >= d.begin && begin + r.bytes <= d.end && (d.writable || !writes)) return;
  report(FindingKind::OutsideDeclaredBuffers,
         std::string(what) + " is not declared by the instruction");
}

struct Call {
  Description desc;
  Layout a, b, c;
  const void *pa, *pb, *pc;
  void* pd;
  float alpha, beta;
};

bool sumsRowsOfA(const Description& d) { return d.epilogue == lt::kEpilogueBiasGradientA; }

// The bias as a matrix of one column for each batch, stored as the output is.
Layout biasOf(const Description& d, const Layout& c) {
  Layout l{c.type, c.rows, 1, static_cast<std::int64_t>(c.rows)};
  if (d.biasStride != 0) l.batches = c.batches;
  l.stride = d.biasStride;
  return l;
}

// The sums over k of op(A), in panels of 256 as a kernel would take them.
void sumRows(const Call& call, const char* a, std::uint64_t m, std::uint64_t k) {
  const Layout layout = biasOf(call.desc, call.c);
  const Range range = span(call.desc.bias, layout);
  char* sums = resolve(range, "the bias gradient");
  for (std::uint64_t i = 0; i < m; ++i) {
    float total = 0;
    for (std::uint64_t begin = 0; begin < k; begin += 256) {
      float part = 0;
      for (std::uint64_t l = begin; l < std::min(k, begin + 256); ++l)
        part += get(call.a, a, call.desc.transposeA ? i * call.a.ld + l : l * call.a.ld + i);
      total += part;
    }
    put(layout, sums, i, total);
  }
  Allocation* allocation = card().memory.find(call.desc.bias);
  allocation->shadow->define(allocation->offset(call.desc.bias), range.bytes);
}

void multiply(const Call& call) {
  const char* A = resolve(span(call.pa, call.a), "A");
  const char* B = resolve(span(call.pb, call.b), "B");
  char* C = resolve(span(call.pd, call.c), "C");
  requireDefined(call.pa, call.a, "A");
  requireDefined(call.pb, call.b, "B");
  if (call.beta != 0) requireDefined(call.pc, call.c, "C with beta other than 0");
  const bool hasBias = (call.desc.epilogue & lt::kEpilogueBias) != 0,
             hasRelu = (call.desc.epilogue & lt::kEpilogueRelu) != 0;
  const Layout biasLayout = biasOf(call.desc, call.c);
  const char* bias = nullptr;
  if (hasBias) {
    bias = resolve(span(call.desc.bias, biasLayout), "the bias");
    requireDefined(call.desc.bias, biasLayout, "the bias");
  }
  const bool tf32 = call.desc.compute == lt::kComputeTf32;
  const auto round = [&](float x) { return tf32 ? toTf32(x) : x; };
  const std::uint64_t m = call.c.rows, n = call.c.columns,
                      k = call.desc.transposeA ? call.a.rows : call.a.columns;
  if (sumsRowsOfA(call.desc)) sumRows(call, A, m, k);
  std::vector<float> panel(m * k);
  std::vector<float> column(m);
  for (std::int32_t batch = 0; batch < call.c.batches; ++batch) {
    const std::int64_t a = batch * call.a.stride, b = batch * call.b.stride,
                       c = batch * call.c.stride;
    for (std::uint64_t l = 0; l < k; ++l)
      for (std::uint64_t i = 0; i < m; ++i)
        panel[l * m + i] = round(
            get(call.a, A, a + (call.desc.transposeA ? i * call.a.ld + l : l * call.a.ld + i)));
    for (std::uint64_t j = 0; j < n; ++j) {
      std::fill(column.begin(), column.end(), 0.0f);
      for (std::uint64_t l = 0; l < k; ++l) {
        const float factor = round(
            get(call.b, B, b + (call.desc.transposeB ? l * call.b.ld + j : j * call.b.ld + l)));
        const float* p = panel.data() + l * m;
        for (std::uint64_t i = 0; i < m; ++i) column[i] += p[i] * factor;
      }
      const std::uint64_t to = static_cast<std::uint64_t>(c) + j * call.c.ld;
      for (std::uint64_t i = 0; i < m; ++i) {
        float value = call.alpha * column[i];
        // beta = 0 overwrites, whatever C holds.
        if (call.beta != 0) value += call.beta * get(call.c, C, to + i);
        if (hasBias) value += get(biasLayout, bias, batch * call.desc.biasStride + i);
        put(call.c, C, to + i, hasRelu && value < 0 ? 0.0f : value);
      }
      Allocation* allocation = card().memory.find(call.pd);
      allocation->shadow->define(allocation->offset(call.pd) + sizeOf(call.c) * to,
                                 m * sizeOf(call.c));
    }
  }
}

Status matmul(Handle handle, void* d, const void* alpha, const void* A, void* a, const void* B,
              void* b, const void* beta, const void* C, void* c, void* D, void* output,
              const Algorithm* algorithm, void* workspace, std::size_t workspaceBytes,
              cudaStream_t stream) {
  std::lock_guard<std::recursive_mutex> lock(runtime().mutex);
  Runtime& r = runtime();
  if (handle == nullptr || static_cast<Library*>(handle)->magic != kMagic)
    return lt::kNotInitialized;
  if (d == nullptr || a == nullptr || b == nullptr || c == nullptr || output == nullptr ||
      alpha == nullptr || beta == nullptr || A == nullptr || B == nullptr || D == nullptr)
    return lt::kInvalidValue;
  if (r.sticky != cudaSuccess) return lt::kExecutionFailed;
  CUstream_st* s = r.resolve(stream);
  if (s == nullptr) return lt::kInvalidValue;
  Call call{*static_cast<Description*>(d),
            *static_cast<Layout*>(a),
            *static_cast<Layout*>(b),
            *static_cast<Layout*>(c),
            A,
            B,
            C,
            D,
            0,
            0};
  if (call.desc.pointerMode != 0) return lt::kNotSupported;
  std::memcpy(&call.alpha, alpha, 4);
  std::memcpy(&call.beta, beta, 4);
  if (!agree(call.desc, call.a, call.b, call.c) || C != D) return lt::kInvalidValue;
  if (!supported(call.desc, call.a, call.b, call.c)) return lt::kNotSupported;
  if (call.c.batches > 1 && call.c.stride == 0) return lt::kInvalidValue;
  if ((call.desc.epilogue & lt::kEpilogueBias) != 0 && call.desc.bias == nullptr)
    return lt::kInvalidValue;
  if (sumsRowsOfA(call.desc) && (call.desc.bias == nullptr || call.c.batches > 1))
    return lt::kInvalidValue;
  if (algorithm == nullptr) return lt::kInvalidValue;
  Chosen chosen;
  std::memcpy(&chosen, algorithm, sizeof chosen);
  if (chosen.shape != shapeOf(call.desc, call.a, call.b, call.c) ||
      workspaceBytes < chosen.workspaceBytes)
    return lt::kInvalidValue;
  const void* const pointers[4] = {A, B, C, D};
  for (int i = 0; i < 4; ++i)
    if (reinterpret_cast<std::uintptr_t>(pointers[i]) % chosen.alignment[i] != 0)
      return lt::kInvalidValue;
  ++r.counts.blasCalls;
  if (r.faults.launch > 0 && --r.faults.launch == 0) {
    if (r.faults.sticky) r.failSticky(cudaErrorLaunchFailure);
    return lt::kExecutionFailed;
  }

  Operation operation;
  operation.name = "cublasLtMatmul";
  std::vector<std::pair<Range, bool>> ranges = {
      {span(A, call.a), false}, {span(B, call.b), false}, {span(D, call.c), true}};
  if (workspaceBytes > 0) ranges.push_back({{workspace, workspaceBytes}, true});
  if ((call.desc.epilogue & lt::kEpilogueBias) != 0)
    ranges.push_back({span(call.desc.bias, biasOf(call.desc, call.c)), false});
  if (sumsRowsOfA(call.desc))
    ranges.push_back({span(call.desc.bias, biasOf(call.desc, call.c)), true});
  for (const auto& [range, writes] : ranges) {
    const auto begin = reinterpret_cast<std::uintptr_t>(range.p);
    operation.touches.push_back({begin, begin + range.bytes, writes});
  }
  operation.run = [call, ranges, declared = r.declared, workspace, workspaceBytes] {
    if (declared)
      for (const auto& [range, writes] : ranges)
        requireDeclared(*declared, range, writes, writes ? "an output" : "an input");
    if (workspaceBytes > 0) {
      resolve({workspace, workspaceBytes}, "the workspace");
      Allocation* allocation = card().memory.find(workspace);
      allocation->shadow->poison(allocation->offset(workspace),
                                 workspaceBytes);  // its contents are the library's
    }
    multiply(call);
    return cudaSuccess;
  };
  return r.enqueue(s, std::move(operation)) == cudaSuccess ? lt::kSuccess : lt::kExecutionFailed;
}

}  // namespace

cuda::lt::Table cublasLtTable() {
  cuda::lt::Table t;
  t.GetVersion = getVersion;
  t.GetStatusString = getStatusString;
  t.Create = create;
  t.Destroy = destroy;
  t.MatmulDescCreate = descCreate;
  t.MatmulDescDestroy = descDestroy;
  t.MatmulDescSetAttribute = descSet;
  t.MatrixLayoutCreate = layoutCreate;
  t.MatrixLayoutDestroy = layoutDestroy;
  t.MatrixLayoutSetAttribute = layoutSet;
  t.MatmulPreferenceCreate = preferenceCreate;
  t.MatmulPreferenceDestroy = preferenceDestroy;
  t.MatmulPreferenceSetAttribute = preferenceSet;
  t.MatmulAlgoGetHeuristic = heuristic;
  t.Matmul = matmul;
  return t;
}

}  // namespace striate::emulator
