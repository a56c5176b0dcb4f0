#include "cuda/device/watch.h"

#if defined(STRIATE_EMULATOR)
#include <cstring>

#include "emulator/card.h"

namespace striate::cuda {

namespace {

using emulator::DeclaredRange;
using emulator::Overwritten;
using emulator::Runtime;

struct Rows {
  std::uintptr_t begin;
  std::uint64_t bytes, count, pitch;
  std::uintptr_t end() const { return begin + (count - 1) * pitch + bytes; }
};

Rows rowsOf(const View& v) {
  const auto size = static_cast<std::uint64_t>(sizeOf(v.dtype));
  const auto begin = reinterpret_cast<std::uintptr_t>(v.data);
  if (v.dense()) return {begin, static_cast<std::uint64_t>(v.elements()) * size, 1, 0};
  return {begin, static_cast<std::uint64_t>(v.channels()) * size,
          static_cast<std::uint64_t>(v.pixels()), static_cast<std::uint64_t>(v.pitch) * size};
}

// Whether two views may share bytes: two channel ranges of one volume do not.
bool mayShare(const Rows& a, const Rows& b) {
  if (a.end() <= b.begin || b.end() <= a.begin) return false;
  if (a.pitch != b.pitch || a.pitch == 0) return true;
  const Rows &low = a.begin <= b.begin ? a : b, &high = a.begin <= b.begin ? b : a;
  const std::uint64_t distance = (high.begin - low.begin) % a.pitch;
  return distance < low.bytes || distance + high.bytes > a.pitch;
}

bool isWorkspace(const Operand& operand) { return std::strcmp(operand.name, "workspace") == 0; }

}  // namespace

Watch::Watch(const OpInfo& op, const View* views, Control* control)
    : lock_(Runtime::instance().mutex) {
  auto declared = std::make_shared<std::vector<DeclaredRange>>();
  std::vector<Overwritten> overwritten;
  for (int i = 0; i < operandCount(op); ++i) {
    if (!views[i]) continue;
    const Rows rows = rowsOf(views[i]);
    declared->push_back({rows.begin, rows.end(), views[i].access != Access::Read});
    if (views[i].access != Access::Overwrite) continue;
    bool inPlace = false;
    for (int j = 0; j < operandCount(op); ++j)
      if (j != i && views[j] && mayShare(rows, rowsOf(views[j]))) inPlace = true;
    if (!inPlace) overwritten.push_back({rows.begin, rows.bytes, rows.count, rows.pitch});
  }
  const auto block = reinterpret_cast<std::uintptr_t>(control);
  declared->push_back({block, block + sizeof(Control), op.clearsCommit});
  Runtime& r = Runtime::instance();
  r.declared = std::move(declared);
  r.overwritten = std::move(overwritten);
}

Watch::~Watch() {
  Runtime::instance().declared.reset();
  Runtime::instance().overwritten.clear();
}

void Watch::defineWorkspace(const OpInfo& op, const View* views, cudaStream_t stream) {
  Runtime& r = Runtime::instance();
  CUstream_st* resolved = r.resolve(stream);
  for (int i = 0; i < operandCount(op); ++i) {
    if (!views[i] || !isWorkspace(op.operands[i])) continue;
    emulator::Operation operation;
    operation.name = "end of the op";
    operation.run = [rows = rowsOf(views[i])] {
      const void* p = reinterpret_cast<const void*>(rows.begin);
      emulator::Allocation* a = emulator::card().memory.find(p);
      if (a != nullptr && !a->freed) a->shadow->define(a->offset(p), rows.bytes);
      return cudaSuccess;
    };
    r.enqueue(resolved, std::move(operation));
  }
}

}  // namespace striate::cuda
#endif
