// Batch normalisation; see ops/batch_norm.h. Two passes over memory each way: sums by channel, then
// the volume. The first pass cuts the pixels into parts, which are combined in double, in order.
#include "ops/batch_norm.h"

#include "cpu/normalisation.h"
#include "cpu/vector_math.h"

namespace striate::cpu::STRIATE_ISA {

using ops::BatchNorm;

namespace {
constexpr std::int64_t kPartPixels = 256;  // fewest pixels that make a part of their own

// The work of the first pass: `parts` ranges of pixels times `blocks` ranges of channels.
struct Split {
  std::int64_t pixels, parts, blocks;
  WideRows rows;

  STRIATE_HD explicit Split(const View& x)
      : pixels(x.pixels()),
        parts(larger(smaller(BatchNorm::kParts, x.pixels() / kPartPixels), 1)),
        blocks(ceilDivide(x.channels(), kNormBlock)),
        rows(x.channels(), true) {}

  STRIATE_HD std::int64_t begin(std::int64_t part) const { return part * pixels / parts; }
  STRIATE_HD std::int64_t count(std::int64_t part) const { return begin(part + 1) - begin(part); }
};

// Two doubles a channel for each part, then up to four vectors for the second pass.
struct Workspace {
  double* sums;
  std::int64_t channels;

  STRIATE_HD Workspace(const View& v, std::int64_t c) : sums(v.as<double>()), channels(c) {}
  STRIATE_HD double* part(std::int64_t p, int which) const {
    return sums + (2 * p + which) * channels;
  }
  template <class T>
  STRIATE_HD T* vector(int which) const {
    return reinterpret_cast<T*>(sums + (2 * BatchNorm::kParts + which) * channels);
  }
};

// Calls body(part, c0, width) for every part and channel block.
template <class Body>
STRIATE_HD void forEachPart(ThreadPool& threads, const Split& split, const Body& body) {
  threads.forEach(split.parts * split.blocks, [&](std::int64_t i, int) {
    const std::int64_t c0 = i % split.blocks * kNormBlock;
    const std::int64_t width =
        split.rows.fold > 1 ? split.rows.width : smaller(kNormBlock, split.rows.channels - c0);
    body(i / split.blocks, c0, width);
  });
}

// y from x by channel vectors mean, scale and beta.
template <class T>
STRIATE_HD void apply(ThreadPool& threads, const View& x, const View& y, const T* mean,
                      const T* scale, const T* beta) {
  forEachPiece(threads, x.pixels(), x.channels(), [&](std::int64_t begin, std::int64_t end) {
    applyNorm(x, y, begin, end, mean, scale, beta);
  });
}

template <class T>
STRIATE_HD void forward(const Call& call, double epsilon) {
  const View* v = call.views;
  const View &x = v[0], &y = v[3];
  const T *gamma = v[1].as<T>(), *beta = v[2].as<T>();
  const std::int64_t channels = x.channels();
  const Split split(x);
  const Workspace workspace(v[9], channels);
  ThreadPool& threads = call.context.threads;

  forEachPart(threads, split, [&](std::int64_t part, std::int64_t c0, std::int64_t width) {
    moments<T>(x, split.rows, split.begin(part), split.begin(part + 1), c0, width,
               workspace.part(part, 0) + c0, workspace.part(part, 1) + c0);
  });

  T *mean = v[4].as<T>(), *variance = v[5].as<T>(), *unbiased = v[6].as<T>();
  T *scale = v[7] ? v[7].as<T>() : workspace.vector<T>(0),
    *offset = v[8] ? v[8].as<T>() : workspace.vector<T>(1);
  const double pixels = double(x.pixels());
  double* totalMean = workspace.part(0, 0);
  double* totalM2 = workspace.part(0, 1);
  double seen = double(split.count(0));
  for (std::int64_t part = 1; part < split.parts; ++part) {
    const double count = double(split.count(part)), total = seen + count;
    const double *partMean = workspace.part(part, 0), *partM2 = workspace.part(part, 1);
    for (std::int64_t c = 0; c < channels; ++c) {
      const double delta = partMean[c] - totalMean[c];
      totalMean[c] += delta * (count / total);
      totalM2[c] += partM2[c] + delta * delta * (seen * count / total);
    }
    seen = total;
  }
  for (std::int64_t c = 0; c < channels; ++c) {
    const double biased = totalM2[c] / pixels;
    mean[c] = T(totalMean[c]);
    variance[c] = T(biased);
    unbiased[c] = T(totalM2[c] / (pixels - 1));
    const double factor = double(gamma[c]) / squareRoot(biased + epsilon);
    scale[c] = T(factor);
    // What rounding took from the mean counts where the mean is large beside the deviation.
    offset[c] = T(double(beta[c]) - (totalMean[c] - double(mean[c])) * factor);
  }
  apply<T>(threads, x, y, mean, scale, offset);
}

// y from x by what the forward pass left: the same arithmetic, the same bits.
template <class T>
STRIATE_HD void again(const Call& call) {
  const View* v = call.views;
  apply<T>(call.context.threads, v[0], v[4], v[1].as<T>(), v[2].as<T>(), v[3].as<T>());
}

template <class T>
STRIATE_HD void inference(const Call& call, double epsilon) {
  const View* v = call.views;
  const View &x = v[0], &y = v[5];
  const T *gamma = v[1].as<T>(), *beta = v[2].as<T>(), *mean = v[3].as<T>(),
          *variance = v[4].as<T>();
  // Without a workspace the scales stand on the stack, some channels at a time.
  const auto channelsOf = [](View view, std::int64_t c0, std::int64_t count) {
    view.data = view.as<T>() + c0;
    view.size[view.rank - 1] = count;
    return view;
  };
  constexpr std::int64_t kMost = 2048;
  for (std::int64_t c0 = 0; c0 < x.channels(); c0 += kMost) {
    const std::int64_t count = smaller(kMost, x.channels() - c0);
    T scale[kMost];
    for (std::int64_t c = 0; c < count; ++c)
      scale[c] = T(double(gamma[c0 + c]) / squareRoot(double(variance[c0 + c]) + epsilon));
    apply(call.context.threads, channelsOf(x, c0, count), channelsOf(y, c0, count), mean + c0,
          scale, beta + c0);
  }
}

template <bool Frozen, class T>
STRIATE_HD void backward(const Call& call, double epsilon) {
  const View* v = call.views;
  const View &x = v[0], &dy = v[4], &dx = v[5], &dgamma = v[6], &dbeta = v[7];
  const T *gamma = v[1].as<T>(), *mean = v[2].as<T>(), *variance = v[3].as<T>();
  const std::int64_t channels = x.channels();
  const Split split(x);
  const Workspace workspace(v[8], channels);
  ThreadPool& threads = call.context.threads;

  forEachPart(threads, split, [&](std::int64_t part, std::int64_t c0, std::int64_t width) {
    products<T>(x, dy, mean, split.rows, split.begin(part), split.begin(part + 1), c0, width,
                workspace.part(part, 0) + c0, workspace.part(part, 1) + c0);
  });

  T *scale = workspace.vector<T>(0), *offset = workspace.vector<T>(1),
    *slope = workspace.vector<T>(2);
  const double pixels = double(x.pixels());
  double* sumDy = workspace.part(0, 0);
  double* sumProduct = workspace.part(0, 1);
  for (std::int64_t part = 1; part < split.parts; ++part)
    for (std::int64_t c = 0; c < channels; ++c) {
      sumDy[c] += workspace.part(part, 0)[c];
      sumProduct[c] += workspace.part(part, 1)[c];
    }
  for (std::int64_t c = 0; c < channels; ++c) {
    const double inverse = 1 / squareRoot(double(variance[c]) + epsilon);
    scale[c] = T(double(gamma[c]) * inverse);
    // Frozen statistics do not move with x.
    const double factor = Frozen ? 0 : double(gamma[c]) * inverse / pixels;
    offset[c] = T(sumDy[c] * factor);
    slope[c] = T(sumProduct[c] * inverse * inverse * factor);
  }
  const auto give = [&](const View& view, auto value) {
    if (!view) return;
    choose(view.accumulates(), [&](auto add) {
      for (std::int64_t c = 0; c < channels; ++c) put<add.value>(view.as<T>()[c], T(value(c)));
    });
  };
  give(dbeta, [&](std::int64_t c) { return sumDy[c]; });
  give(dgamma,
       [&](std::int64_t c) { return sumProduct[c] / squareRoot(double(variance[c]) + epsilon); });
  if (!dx) return;

  forEachPiece(threads, x.pixels(), channels, [&](std::int64_t begin, std::int64_t end) {
    applyNormGradient<T>(x, dy, dx, begin, end, mean, scale, offset, slope);
  });
}

template <class T>
STRIATE_HD void update(const Call& call, float momentum) {
  if (call.context.control.commit == 0) return;
  const View* v = call.views;
  for (int i = 0; i < 2; ++i) {
    const T* current = v[i].as<T>();
    T* running = v[2 + i].as<T>();
    STRIATE_LANES
    for (std::int64_t c = 0; c < v[i].size[0]; ++c)
      running[c] = BatchNorm::moved(running[c], current[c], T(momentum));
  }
}
}  // namespace

void batch_norm(const Call& call) {
  const auto& attributes = *static_cast<const BatchNorm::Attributes*>(call.attributes);
  const double epsilon = double(attributes.epsilon);
  forFloatType(call.views[0].dtype, [&](auto type) {
    using T = decltype(type);
    switch (call.op) {
      case BatchNorm::Forward:
        return forward<T>(call, epsilon);
      case BatchNorm::Inference:
        return inference<T>(call, epsilon);
      case BatchNorm::Backward:
        return backward<false, T>(call, epsilon);
      case BatchNorm::FrozenBackward:
        return backward<true, T>(call, epsilon);
      case BatchNorm::Update:
        return update<T>(call, attributes.momentum);
      case BatchNorm::Apply:
        return again<T>(call);
    }
  });
}

}  // namespace striate::cpu::STRIATE_ISA
