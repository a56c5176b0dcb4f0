// Convolution (cross-correlation) with groups, dilation and padding by side; dense layers are the case
// of one pixel and a 1x1 filter.
//
//   y[n,p,q,k] = activation(b[k] + sum over r,s,c of x[n, h, w, c] * w[r,s,c,k])
//   h = p*strideH - padTop + r*dilationH,  w = q*strideW - padLeft + s*dilationW
//
// x [N,H,W,C], w [R,S,C/groups,K], b [K], y [N,P,Q,K]; what lies outside x reads as zero. P is the
// formula (H + padTop + padBottom - (dilationH*(R-1) + 1))/strideH + 1 rounded down (fit 'crop': input
// rows at the end may be unused) or up (fit 'pad': windows may hang over the padding), Q likewise.
#pragma once
#include <string>

#include "ops/op.h"
#include "ops/winograd.h"

namespace striate::ops {

// One axis of a gather: index i of the target and tap a meet at source index i*step + first + a*delta,
// which may lie outside the source. Tap a belongs to filter row (or column) filterFirst + a*filterStep.
// The forward pass and every phase of the gradient by the input are such gathers, so one packing (and
// one kernel) serves both; taps are ordered by rising source index.
struct GatherAxis {
  std::int64_t count;  // taps
  std::int64_t first;
  std::int64_t delta;
  std::int64_t step;
  std::int64_t filterFirst;
  std::int64_t filterStep;
};

struct Conv2d {
  enum Op : int { Forward, BackwardData, BackwardFilter };
  enum Activation : std::int32_t { None, Relu };
  // Gemm: no column buffer. Im2col: the gradient by the input over flipped filters. Col2im: that gradient
  // by a multiplication and a gather.
  enum Algorithm : std::int32_t { Chosen, Gemm, Im2col, Col2im };

  struct Attributes {
    std::int32_t strideH, strideW;
    std::int32_t padTop, padLeft, padBottom, padRight;
    std::int32_t dilationH, dilationW;
    std::int32_t groups;
    std::int32_t activation;
    std::int32_t algorithm;  // what a CUDA device does; other devices have one way
    std::int32_t tf32;       // 1: a CUDA device may round float32 factors to TF32's ten bits
    std::int32_t
        winograd;  // tile of Winograd's algorithm on the CPU device: 2 or 4; 0: another way
  };
  static constexpr Field fields[] = {
      STRIATE_FIELD(Attributes, strideH),   STRIATE_FIELD(Attributes, strideW),
      STRIATE_FIELD(Attributes, padTop),    STRIATE_FIELD(Attributes, padLeft),
      STRIATE_FIELD(Attributes, padBottom), STRIATE_FIELD(Attributes, padRight),
      STRIATE_FIELD(Attributes, dilationH), STRIATE_FIELD(Attributes, dilationW),
      STRIATE_FIELD(Attributes, groups),    STRIATE_FIELD(Attributes, activation),
      STRIATE_FIELD(Attributes, algorithm), STRIATE_FIELD(Attributes, tf32),
      STRIATE_FIELD(Attributes, winograd),
  };

  // The gradients know no activation: dy is the gradient before it. dw is [R,S,C/groups,K], db [K].
  static constexpr OpInfo ops[] = {
      {"conv2d",
       {in("x"), in("w"), optionalIn("b", Element::Compute), out("y"),
        optionalOut("workspace", Element::Bytes)}},
      {"conv2dBackwardData",
       {in("dy"), in("w"), out("dx"), optionalOut("workspace", Element::Bytes)}},
      {"conv2dBackwardFilter",
       {in("x"), in("dy"), optionalOut("dw", Element::Compute), optionalOut("db", Element::Compute),
        optionalOut("workspace", Element::Bytes)}},
  };

  // --- Index arithmetic ---------------------------------------------------------------------------

  STRIATE_HD static constexpr std::int64_t floorDivide(std::int64_t a, std::int64_t b) {
    return a >= 0 ? a / b : -((-a + b - 1) / b);
  }
  STRIATE_HD static constexpr std::int64_t ceilDivide(std::int64_t a, std::int64_t b) {
    return -floorDivide(-a, b);
  }

  // Forward: output p and filter row r meet at input row p*stride - pad + r*dilation.
  STRIATE_HD static constexpr GatherAxis forwardAxis(std::int64_t taps, std::int64_t stride,
                                                     std::int64_t pad, std::int64_t dilation) {
    return {taps, -pad, dilation, stride, 0, 1};
  }

  // Gradient by the input: the rows phase, phase + stride, ... of dx gather the outputs
  // p = (phase + i*stride + pad - r*dilation)/stride, for those r which make that whole. They are
  // r = r0 + t*filterStride; going from the last to the first raises p by dilation/gcd each time.
  STRIATE_HD static constexpr GatherAxis phaseAxis(std::int64_t taps, std::int64_t stride,
                                                   std::int64_t pad, std::int64_t dilation,
                                                   std::int64_t phase) {
    std::int64_t gcd = stride, rest = dilation;
    while (rest != 0) {
      const std::int64_t remainder = gcd % rest;
      gcd = rest;
      rest = remainder;
    }
    const std::int64_t filterStride = stride / gcd;
    std::int64_t r = 0;
    while (r < filterStride && (phase + pad - r * dilation) % stride != 0) ++r;
    if (r == filterStride || r >= taps) return {0, 0, 1, 1, 0, 0};
    const std::int64_t count = (taps - 1 - r) / filterStride + 1;
    const std::int64_t last = r + (count - 1) * filterStride;
    return {count,        (phase + pad - last * dilation) / stride, dilation / gcd, 1, last,
            -filterStride};
  }

  // --- Workspace ----------------------------------------------------------------------------------
  // Bytes of the operand `workspace`; 0: the op needs none. The same on every device and instruction
  // set, for any batch, and simple enough to be repeated in TypeScript (lib/layers/conv2d.ts).

  // Each channel is a group of its own: no matrix multiplication, no packing.
  STRIATE_HD static constexpr bool depthwise(std::int64_t groups, std::int64_t channels,
                                             std::int64_t filters) {
    return groups > 1 && channels == groups && filters == groups;
  }

  static constexpr std::int64_t kColumnUnit = 64;
  static constexpr std::int64_t kFewestRows = 512;
  static constexpr std::int64_t kPackedElements = std::int64_t(1) << 22;
  static constexpr std::int64_t kPartialElements = std::int64_t(1) << 18;
  static constexpr std::int64_t kMostSplits = 16;

  STRIATE_HD static constexpr std::int64_t paddedColumns(std::int64_t columns) {
    return (columns + kColumnUnit - 1) / kColumnUnit * kColumnUnit;
  }
  // Rows of the [depth, columns] filter matrix that stand packed at one time.
  STRIATE_HD static constexpr std::int64_t packedRows(std::int64_t depth, std::int64_t columns) {
    const std::int64_t fitting = kPackedElements / paddedColumns(columns);
    const std::int64_t rows = fitting > kFewestRows ? fitting : kFewestRows;
    return depth < rows ? depth : rows;
  }
  // Most parts into which the reduction over pixels is cut; `sums` is R*S*C/groups*K + K, without the
  // first term when only db is asked for.
  STRIATE_HD static constexpr std::int64_t filterSplits(std::int64_t sums) {
    const std::int64_t splits = kPartialElements / sums;
    return splits < 1 ? 1 : splits > kMostSplits ? kMostSplits : splits;
  }

  // `area` is R*S, 0 for a filter gradient without dw.
  STRIATE_HD static constexpr std::int64_t workspaceBytes(int op, std::int64_t area,
                                                          std::int64_t channels,
                                                          std::int64_t filters, std::int64_t groups,
                                                          std::int64_t elementSize) {
    const std::int64_t C = channels / groups, K = filters / groups;
    if (op == BackwardFilter) {
      const std::int64_t sums = area * C * filters + filters;
      const std::int64_t splits = filterSplits(sums);
      return splits == 1 ? 0 : splits * sums * elementSize;
    }
    if (depthwise(groups, channels, filters)) return 0;
    const std::int64_t depth = area * (op == Forward ? C : K), columns = op == Forward ? K : C;
    return packedRows(depth, columns) * paddedColumns(columns) * elementSize;
  }

  // The same for Winograd's algorithm, whose tiles lie on the output: dx in the gradient by the input.
  STRIATE_HD static constexpr std::int64_t winogradBytes(int op, std::int32_t tile,
                                                         const std::int64_t* x,
                                                         const std::int64_t* y) {
    const std::int64_t* plane = op == BackwardData ? x : y;
    const Winograd w = Winograd::of(tile, plane[0], plane[1], plane[2]);
    return op == BackwardFilter ? w.filterGradientBytes(x[3], y[3])
           : op == Forward      ? w.convolutionBytes(x[3], y[3])
                                : w.convolutionBytes(y[3], x[3]);
  }

  // --- Checks -------------------------------------------------------------------------------------

  static void checkExtent(const char* axis, std::int64_t in, std::int64_t filter,
                          std::int64_t stride, std::int64_t before, std::int64_t after,
                          std::int64_t dilation, std::int64_t out) {
    const std::int64_t window = dilation * (filter - 1) + 1, room = in + before + after - window;
    const std::int64_t least = floorDivide(room, stride) + 1, most = ceilDivide(room, stride) + 1;
    if (out >= 1 && (out == least || out == most)) return;
    throw Error(ErrorCode::InvalidShape,
                std::string("output ") + axis + " is " + std::to_string(out) + ", but (" +
                    std::to_string(in) + " - " + std::to_string(window) + " + " +
                    std::to_string(before + after) + ")/" + std::to_string(stride) + " + 1 gives " +
                    std::to_string(least) + (most != least ? " or " + std::to_string(most) : ""));
  }

  static void check(int op, const Attributes& a, const View* v) {
    requireArgument(a.strideH >= 1 && a.strideW >= 1, "strides are at least 1");
    requireArgument(a.dilationH >= 1 && a.dilationW >= 1, "dilations are at least 1");
    requireArgument(a.padTop >= 0 && a.padLeft >= 0 && a.padBottom >= 0 && a.padRight >= 0,
                    "padding is not negative");
    requireArgument(a.groups >= 1, "groups is at least 1");
    requireArgument(a.activation == None || a.activation == Relu,
                    "activation is 0 (none) or 1 (relu)");
    requireArgument(a.algorithm >= Chosen && a.algorithm <= Col2im, "algorithm is 0 to 3");
    requireArgument(a.tf32 == 0 || a.tf32 == 1, "tf32 is 0 or 1");
    requireArgument(a.winograd == 0 || a.winograd == 2 || a.winograd == 4, "winograd is 0, 2 or 4");

    const auto [x, w, y, b, workspace] = roles(op, v);

    requireArgument(isStorage(x) && y.dtype == x.dtype, "x and y are of one float type");
    requireShape(x.rank == 4 && y.rank == 4, "x and y are [n, height, width, channels]");
    requireShape(x.size[0] == y.size[0], "x and y have the same number of images");
    for (int i = 0; i < 4; ++i)
      requireShape(x.size[i] >= 1 && y.size[i] >= 1, "every extent is at least 1");
    const std::int64_t C = x.size[3], K = y.size[3];
    requireShape(C % a.groups == 0, "groups divides the channels of x");
    requireShape(K % a.groups == 0, "groups divides the filters");
    if (w) {
      requireArgument(op == BackwardFilter || w.dtype == x.dtype, "x and w are of one float type");
      requireShape(w.rank == 4, "w is [filterHeight, filterWidth, inChannels/groups, filters]");
      requireShape(w.size[0] >= 1 && w.size[1] >= 1, "a filter has at least one row and column");
      requireShape(w.size[2] == C / a.groups, "w has inChannels/groups channels");
      requireShape(w.size[3] == K, "w has as many filters as y has channels");
      checkExtent("height", x.size[1], w.size[0], a.strideH, a.padTop, a.padBottom, a.dilationH,
                  y.size[1]);
      checkExtent("width", x.size[2], w.size[1], a.strideW, a.padLeft, a.padRight, a.dilationW,
                  y.size[2]);
    }
    requireArgument(a.activation == None || !y.accumulates(),
                    "y is overwritten where an activation follows");
    if (a.winograd != 0) {
      requireArgument(
          a.strideH == 1 && a.strideW == 1 && a.dilationH == 1 && a.dilationW == 1 &&
              a.groups == 1 && (!w || (w.size[0] == 3 && w.size[1] == 3)),
          "Winograd's algorithm takes 3x3 filters of stride 1, dilation 1 and one group");
      requireArgument(x.dtype == DType::Float32, "Winograd's algorithm takes float32");
      requireArgument(C <= Winograd::kMostChannels && K <= Winograd::kMostChannels,
                      "Winograd's algorithm takes 16384 channels at most");
    }
    if (b) {
      requireShape(b.rank == 1 && b.size[0] == K, "the bias is [filters]");
    }
  }

  // The views of a call by their part in the convolution, whichever of them is a gradient.
  struct Roles {
    const View &x, &w, &y, &b, &workspace;
  };
  static Roles roles(int op, const View* v) {
    static const View none;
    if (op == Forward) return {v[0], v[1], v[3], v[2], v[4]};
    if (op == BackwardData) return {v[2], v[1], v[0], none, v[3]};
    return {v[0], v[2], v[1], v[3], v[4]};
  }

  static void requireBytes(const View& workspace, std::int64_t bytes) {
    if (bytes > 0 && (!workspace || workspace.elements() * sizeOf(workspace.dtype) < bytes))
      throw Error(ErrorCode::InvalidArgument,
                  "workspace holds at least " + std::to_string(bytes) + " bytes");
  }

  // The CPU device's need for workspace; other devices have their own.
  static void checkCpu(int op, const Attributes& a, const View* v) {
    const auto [x, w, y, b, workspace] = roles(op, v);
    const std::int64_t area = w ? w.size[0] * w.size[1] : 0;
    requireBytes(workspace,
                 a.winograd != 0 && area != 0
                     ? winogradBytes(op, a.winograd, x.size, y.size)
                     : workspaceBytes(op, area, x.size[3], y.size[3], a.groups, sizeOf(x.dtype)));
  }
};

}  // namespace striate::ops
