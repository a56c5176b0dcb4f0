// Group normalisation; see ops/group_norm.h. Two passes over memory each way: sums by image and channel,
// then the volume.
#include "ops/group_norm.h"

#include "cpu/normalisation.h"
#include "cpu/vector_math.h"

namespace striate::cpu::STRIATE_ISA {

using ops::GroupNorm;

namespace {
constexpr std::int64_t kPartPixels = 256;  // fewest pixels that make a part of their own

// The images of a batch, their parts and groups, and the workspace: for each image two doubles a channel
// and part, then the vectors of the second pass.
struct Split {
  std::int64_t images, pixels, channels, groups, perGroup, parts, blocks;
  double* workspace;

  STRIATE_HD Split(const View& x, std::int64_t g, const View& w)
      : images(x.size[0]),
        pixels(x.pixels() / larger(x.size[0], 1)),
        channels(x.channels()),
        groups(g),
        perGroup(channels / g),
        parts(larger(smaller(GroupNorm::kParts, pixels / kPartPixels), 1)),
        blocks(ceilDivide(channels, kNormBlock)),
        workspace(w.as<double>()) {}

  // The first pixel of a part, counted within the image.
  STRIATE_HD std::int64_t begin(std::int64_t part) const { return part * pixels / parts; }
  STRIATE_HD std::int64_t count(std::int64_t part) const { return begin(part + 1) - begin(part); }
  STRIATE_HD double values() const { return double(pixels) * double(perGroup); }

  STRIATE_HD double* image(std::int64_t n) const {
    return workspace + n * (2 * GroupNorm::kParts + GroupNorm::kVectors) * channels;
  }
  STRIATE_HD double* part(std::int64_t n, std::int64_t p, int which) const {
    return image(n) + (2 * p + which) * channels;
  }
  template <class T>
  STRIATE_HD T* vector(std::int64_t n, int which) const {
    return reinterpret_cast<T*>(image(n) + (2 * GroupNorm::kParts + which) * channels);
  }
};

// Calls body(n, part, begin, end, c0, width) for every image, part and channel block; begin and end count
// the pixels of the batch.
template <class Body>
STRIATE_HD void forEachPart(ThreadPool& threads, const Split& s, const WideRows& rows,
                            const Body& body) {
  threads.forEach(s.images * s.parts * s.blocks, [&](std::int64_t i, int) {
    const std::int64_t c0 = i % s.blocks * kNormBlock, part = i / s.blocks % s.parts,
                       n = i / s.blocks / s.parts;
    const std::int64_t width = rows.fold > 1 ? rows.width : smaller(kNormBlock, s.channels - c0);
    body(n, part, n * s.pixels + s.begin(part), n * s.pixels + s.begin(part + 1), c0, width);
  });
}

// Calls body(n, begin, end) for pieces of images.
template <class Body>
STRIATE_HD void forEachImagePiece(ThreadPool& threads, const Split& s, const Body& body) {
  const std::int64_t step = larger(kGrain / s.channels, 1), pieces = ceilDivide(s.pixels, step);
  threads.forEach(s.images * pieces, [&](std::int64_t i, int) {
    const std::int64_t n = i / pieces, first = i % pieces * step;
    body(n, n * s.pixels + first, n * s.pixels + smaller(first + step, s.pixels));
  });
}

template <class T>
STRIATE_HD void forward(const Call& call, const GroupNorm::Attributes& a) {
  const View* v = call.views;
  const View &x = v[0], &y = v[3];
  const T *gamma = v[1].as<T>(), *beta = v[2].as<T>();
  const Split s(x, a.groups, v[6]);
  ThreadPool& threads = call.context.threads;
  const WideRows rows(s.channels, true);

  forEachPart(threads, s, rows,
              [&](std::int64_t n, std::int64_t part, std::int64_t begin, std::int64_t end,
                  std::int64_t c0, std::int64_t width) {
                moments<T>(x, rows, begin, end, c0, width, s.part(n, part, 0) + c0,
                           s.part(n, part, 1) + c0);
              });

  threads.forEach(s.images * s.groups, [&](std::int64_t i, int) {
    const std::int64_t n = i / s.groups, first = i % s.groups * s.perGroup;
    Moments joined;
    for (std::int64_t part = 0; part < s.parts; ++part)
      for (std::int64_t c = first; c < first + s.perGroup; ++c)
        joined.add(double(s.count(part)), s.part(n, part, 0)[c], s.part(n, part, 1)[c]);
    const T mean = T(joined.mean);
    const double variance = joined.m2 / joined.count;
    *at<T>(v[4], n, i % s.groups) = mean;
    *at<T>(v[5], n, i % s.groups) = T(variance);
    const double inverse = 1 / squareRoot(variance + double(a.epsilon));
    for (std::int64_t c = first; c < first + s.perGroup; ++c) {
      const double factor = double(gamma[c]) * inverse;
      s.vector<T>(n, 0)[c] = mean;
      s.vector<T>(n, 1)[c] = T(factor);
      // What rounding took from the mean counts where the mean is large beside the deviation.
      s.vector<T>(n, 2)[c] = T(double(beta[c]) - (joined.mean - double(mean)) * factor);
    }
  });

  forEachImagePiece(threads, s, [&](std::int64_t n, std::int64_t begin, std::int64_t end) {
    applyNorm<T>(x, y, begin, end, s.vector<T>(n, 0), s.vector<T>(n, 1), s.vector<T>(n, 2));
  });
}

template <class T>
STRIATE_HD void backward(const Call& call, const GroupNorm::Attributes& a) {
  const View* v = call.views;
  const View &x = v[0], &dy = v[4], &dx = v[5], &dgamma = v[6], &dbeta = v[7];
  const T* gamma = v[1].as<T>();
  const Split s(x, a.groups, v[8]);
  ThreadPool& threads = call.context.threads;
  const WideRows rows(s.channels, true);
  const auto inverse = [&](std::int64_t n, std::int64_t group) {
    return 1 / squareRoot(double(*at<T>(v[3], n, group)) + double(a.epsilon));
  };

  threads.forEach(s.images, [&](std::int64_t n, int) {
    for (std::int64_t c = 0; c < s.channels; ++c)
      s.vector<T>(n, 0)[c] = *at<T>(v[2], n, c / s.perGroup);
  });
  forEachPart(threads, s, rows,
              [&](std::int64_t n, std::int64_t part, std::int64_t begin, std::int64_t end,
                  std::int64_t c0, std::int64_t width) {
                products<T>(x, dy, s.vector<T>(n, 0), rows, begin, end, c0, width,
                            s.part(n, part, 0) + c0, s.part(n, part, 1) + c0);
              });

  // Part 0 takes in the others; the sums of a group give the vectors of its channels.
  threads.forEach(s.images * s.groups, [&](std::int64_t i, int) {
    const std::int64_t n = i / s.groups, first = i % s.groups * s.perGroup;
    double *sums = s.part(n, 0, 0), *products = s.part(n, 0, 1);
    double sum = 0, product = 0;
    for (std::int64_t c = first; c < first + s.perGroup; ++c) {
      for (std::int64_t part = 1; part < s.parts; ++part) {
        sums[c] += s.part(n, part, 0)[c];
        products[c] += s.part(n, part, 1)[c];
      }
      sum += double(gamma[c]) * sums[c];
      product += double(gamma[c]) * products[c];
    }
    const double r = inverse(n, i % s.groups);
    for (std::int64_t c = first; c < first + s.perGroup; ++c) {
      s.vector<T>(n, 1)[c] = T(double(gamma[c]) * r);
      s.vector<T>(n, 2)[c] = T(r * sum / s.values());
      s.vector<T>(n, 3)[c] = T(r * r * r * product / s.values());
    }
  });
  const auto give = [&](const View& view, auto value) {
    if (!view) return;
    choose(view.accumulates(), [&](auto add) {
      forEachPiece(threads, s.channels, s.images, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t c = begin; c < end; ++c) {
          double sum = 0;
          for (std::int64_t n = 0; n < s.images; ++n) sum += value(n, c);
          put<add.value>(view.as<T>()[c], T(sum));
        }
      });
    });
  };
  give(dbeta, [&](std::int64_t n, std::int64_t c) { return s.part(n, 0, 0)[c]; });
  give(dgamma, [&](std::int64_t n, std::int64_t c) {
    return s.part(n, 0, 1)[c] * inverse(n, c / s.perGroup);
  });
  if (!dx) return;
  forEachImagePiece(threads, s, [&](std::int64_t n, std::int64_t begin, std::int64_t end) {
    applyNormGradient<T>(x, dy, dx, begin, end, s.vector<T>(n, 0), s.vector<T>(n, 1),
                         s.vector<T>(n, 2), s.vector<T>(n, 3));
  });
}
}  // namespace

void group_norm(const Call& call) {
  const auto& a = *static_cast<const GroupNorm::Attributes*>(call.attributes);
  forFloatType(call.views[0].dtype, [&](auto type) {
    using T = decltype(type);
    if (call.op == GroupNorm::Forward)
      forward<T>(call, a);
    else
      backward<T>(call, a);
  });
}

}  // namespace striate::cpu::STRIATE_ISA
