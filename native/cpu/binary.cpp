// Sums, differences, products and quotients; see ops/binary.h.
#include "ops/binary.h"

#include "cpu/rows.h"

namespace striate::cpu::STRIATE_ISA {

using ops::Binary;

namespace {
template <int Kind, class T>
STRIATE_HD void run(ThreadPool& threads, const View& a, const View& b, const View& y) {
  if (b.rank > 0 || a.rank == 0)
    return map<T>(threads, a, b, y,
                  [](T left, T right) { return Binary::value<Kind>(left, right); });
  const T scalar = *b.as<T>();
  map<T>(threads, a, y, [=](T left) { return Binary::value<Kind>(left, scalar); });
}
}  // namespace

void binary(const Call& call) {
  const auto& attributes = *static_cast<const Binary::Attributes*>(call.attributes);
  const View &a = call.views[0], &b = call.views[1], &y = call.views[2];
  ThreadPool& threads = call.context.threads;
  forFloatType(a.dtype, [&](auto type) {
    using T = decltype(type);
    switch (attributes.kind) {
      case Binary::Add:
        return run<Binary::Add, T>(threads, a, b, y);
      case Binary::Sub:
        return run<Binary::Sub, T>(threads, a, b, y);
      case Binary::Mul:
        return run<Binary::Mul, T>(threads, a, b, y);
      case Binary::Div:
        return run<Binary::Div, T>(threads, a, b, y);
    }
  });
}

}  // namespace striate::cpu::STRIATE_ISA
