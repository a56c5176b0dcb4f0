// How a convolution uses its workspace on a CUDA device. The plan decides how many bytes it gets; from
// them follows how many images one chunk holds.
#pragma once
#include <algorithm>
#include <numeric>

#include "cuda/blas/blas.h"
#include "cuda/columns.h"
#include "ops/conv2d.h"

namespace striate::cuda {

struct ConvShape {
  std::int64_t taps, channels, filters, groupChannels, groupFilters, groups;
  std::int64_t inputPixels, outputPixels;  // of one image
  std::int64_t strideH, strideW, phaseTaps, phasePixels;
  std::int64_t bytes;  // of an element of the volumes
  bool pointwise;      // no column buffer
  std::int32_t algorithm;

  // The most taps of an axis that meet one phase: those that lie a multiple of the stride apart.
  static std::int64_t tapsOfPhase(std::int64_t taps, std::int64_t stride, std::int64_t dilation) {
    return ceilDivide(taps, stride / std::gcd(stride, dilation));
  }

  // x and y are the volumes before and after the convolution, whichever of them is a gradient.
  ConvShape(const ops::Conv2d::Attributes& a, const View& x, std::int64_t r, std::int64_t s,
            const View& y)
      : taps(r * s),
        channels(x.size[3]),
        filters(y.size[3]),
        groupChannels(x.size[3] / a.groups),
        groupFilters(y.size[3] / a.groups),
        groups(a.groups),
        inputPixels(x.size[1] * x.size[2]),
        outputPixels(y.size[1] * y.size[2]),
        strideH(a.strideH),
        strideW(a.strideW),
        phaseTaps(tapsOfPhase(r, a.strideH, a.dilationH) * tapsOfPhase(s, a.strideW, a.dilationW)),
        phasePixels(ceilDivide(x.size[1], a.strideH) * ceilDivide(x.size[2], a.strideW)),
        bytes(sizeOf(x.dtype)),
        pointwise(a.algorithm <= ops::Conv2d::Gemm && r == 1 && s == 1 && a.strideH == 1 &&
                  a.strideW == 1 && a.padTop == 0 && a.padLeft == 0 && a.padBottom == 0 &&
                  a.padRight == 0 && x.size[1] == y.size[1] && x.size[2] == y.size[2]),
        algorithm(a.algorithm) {}
};

constexpr std::int64_t kFloat = sizeof(float);

// Bytes that each way writes and reads again for one image. What is summed up or added to is float.
inline std::int64_t flippedBytes(const ConvShape& s) {
  const bool phases = s.strideH > 1 || s.strideW > 1;
  const std::int64_t columns = phases
                                   ? s.strideH * s.strideW * s.phasePixels * s.phaseTaps * s.filters
                                   : s.inputPixels * s.taps * s.filters;
  return columns * s.bytes + (phases ? s.inputPixels * s.channels * kFloat : 0);
}
inline std::int64_t col2imBytes(const ConvShape& s) {
  return s.outputPixels * s.taps * s.channels * kFloat;
}

inline bool dataGradientByCol2im(const ConvShape& s) {
  if (s.algorithm == ops::Conv2d::Im2col) return false;
  return s.algorithm == ops::Conv2d::Col2im || col2imBytes(s) < flippedBytes(s);
}

// Bytes that the library may use beside the columns.
constexpr std::int64_t kBlasWorkspaceBytes = std::int64_t(4) << 20;

inline std::int64_t aligned(std::int64_t bytes) { return ceilDivide(bytes, 256) * 256; }

struct WorkspaceNeed {
  std::int64_t
      fixed;  // the library's part, flipped filters, the bias: rounded, or its partial sums
  std::int64_t perImage;  // columns and phase rows
};

inline WorkspaceNeed workspaceNeed(const ConvShape& s, int op) {
  WorkspaceNeed need{kBlasWorkspaceBytes, 0};
  if (op == ops::Conv2d::BackwardFilter) need.fixed += aligned(kBiasParts * s.filters * kFloat);
  if (op == ops::Conv2d::Forward && s.bytes < kFloat) need.fixed += aligned(s.filters * s.bytes);
  if (s.pointwise || s.taps == 0) return need;
  if (op != ops::Conv2d::BackwardData || dataGradientByCol2im(s)) {
    const std::int64_t bytes = op == ops::Conv2d::BackwardData ? kFloat : s.bytes;
    need.perImage = s.outputPixels * columnPitch(s.taps, s.channels, bytes) * bytes;
    return need;
  }
  const bool phases = s.strideH > 1 || s.strideW > 1;
  need.fixed += aligned(s.taps * s.groupFilters * s.channels * s.bytes);
  need.perImage = (phases ? s.phasePixels : s.inputPixels) *
                  columnPitch(phases ? s.phaseTaps : s.taps, s.filters, s.bytes) * s.bytes;
  if (phases) need.perImage += s.phasePixels * s.channels * kFloat;
  return need;
}

// The parts of an operand `workspace`.
struct WorkspaceParts {
  BlasWorkspace blas;
  float* biasSums = nullptr;
  void* bias = nullptr;  // rounded to 16 bits
  void* filters = nullptr;
  void* columns = nullptr;
  float* phase = nullptr;
  std::int64_t images = 1;  // of a chunk

  WorkspaceParts(const ConvShape& s, int op, const View& workspace, std::int64_t n) {
    const WorkspaceNeed need = workspaceNeed(s, op);
    char* at = static_cast<char*>(workspace.data);
    const auto take = [&](std::int64_t bytes) {
      char* const part = at;
      at += aligned(bytes);
      return part;
    };
    blas = {take(kBlasWorkspaceBytes), static_cast<std::size_t>(kBlasWorkspaceBytes)};
    if (op == ops::Conv2d::BackwardFilter)
      biasSums = reinterpret_cast<float*>(take(kBiasParts * s.filters * kFloat));
    if (op == ops::Conv2d::Forward && s.bytes < kFloat) bias = take(s.filters * s.bytes);
    images = n;
    if (need.perImage == 0) return;
    const bool flipped = op == ops::Conv2d::BackwardData && !dataGradientByCol2im(s);
    if (flipped) filters = take(s.taps * s.groupFilters * s.channels * s.bytes);
    const std::int64_t rest = workspace.elements() - (at - static_cast<char*>(workspace.data));
    images = std::max<std::int64_t>(1, std::min(n, rest / need.perImage));
    columns = at;
    if (flipped && (s.strideH > 1 || s.strideW > 1))
      phase = reinterpret_cast<float*>(at + images * s.phasePixels * s.bytes *
                                                columnPitch(s.phaseTaps, s.filters, s.bytes));
  }
};

}  // namespace striate::cuda
