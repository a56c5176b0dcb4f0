// The factor that bounds the norm of all gradients; see ops/clip_norm.h.
#include "ops/clip_norm.h"

#include "cpu/rows.h"

namespace striate::cpu::STRIATE_ISA {

using ops::ClipNorm;

namespace {
// Element i goes to sum i % kPartials.
template <class T>
STRIATE_HD double sumOfSquares(const T* x, std::int64_t count) {
  constexpr int kPartials = 16;
  double partials[kPartials] = {};
  std::int64_t i = 0;
  for (; i + kPartials <= count; i += kPartials)
    for (int k = 0; k < kPartials; ++k) partials[k] += double(x[i + k]) * double(x[i + k]);
  for (int k = 0; i < count; ++i, ++k) partials[k] += double(x[i]) * double(x[i]);
  double sum = 0;
  for (double partial : partials) sum += partial;
  return sum;
}
}  // namespace

void clip_norm(const Call& call) {
  const auto& attributes = *static_cast<const ClipNorm::Attributes*>(call.attributes);
  const View &gradients = call.views[0], &clip = call.views[1];
  double* sums = call.views[2].as<double>();
  forFloatType(gradients.dtype, [&](auto type) {
    using T = decltype(type);
    const std::int64_t length = gradients.elements();
    const std::int64_t parts = larger(smaller(length / kGrain, ClipNorm::kParts), 1);
    call.context.threads.forEach(parts, [&](std::int64_t part, int) {
      const std::int64_t begin = part * length / parts, end = (part + 1) * length / parts;
      sums[part] = sumOfSquares(gradients.as<T>() + begin, end - begin);
    });
    double squares = 0;
    for (std::int64_t part = 0; part < parts; ++part) squares += sums[part];
    T* to = clip.as<T>();
    to[0] = T(ClipNorm::factor(attributes.most, squares, call.context.control.lossScale));
    to[1] = T(__builtin_huge_val());
  });
}

}  // namespace striate::cpu::STRIATE_ISA
