import { expect } from 'chai';
import { sequential } from '../../lib/graph/sequential.js';
import type { Shape } from '../../lib/graph/shape.js';
import type { Layer } from '../../lib/graph/layer.js';
import {
  avgPool2d,
  conv2d,
  globalAvgPool2d,
  globalMaxPool2d,
  l2Pool2d,
  maxPool2d,
} from '../../lib/layers/index.js';
import { recordForward } from '../support/recorder.js';
import { thrown } from '../support/thrown.js';

function outputOf(shape: Shape, layer: Layer, fit: 'exact' | 'crop' | 'pad' = 'exact'): Shape {
  return sequential(shape, [layer], { fit }).nodes.at(-1)!.shape;
}

describe('conv2d', () => {
  it("has the notes' shapes and parameters", () => {
    const alexnet = sequential([227, 227, 3], [conv2d({ filters: 96, size: 11, stride: 4 })]);
    expect(alexnet.nodes.at(-1)!.shape).to.deep.equal([55, 55, 96]);
    expect(alexnet.parameters().map(({ spec }) => spec.shape)).to.deep.equal([
      [11, 11, 3, 96],
      [96],
    ]);
    const demo = sequential([5, 5, 3], [conv2d({ filters: 2, size: 3, stride: 2, padding: 1 })]);
    expect(demo.nodes.at(-1)!.shape).to.deep.equal([3, 3, 2]);
    expect(outputOf([11, 11, 4], conv2d({ filters: 2, size: 5, stride: 2 }))).to.deep.equal([
      4, 4, 2,
    ]);
    expect(outputOf([7, 7, 512], conv2d({ filters: 4096, size: 7 }))).to.deep.equal([1, 1, 4096]);
  });

  it('names the layer, the formula and the option for a size that does not divide', () => {
    const error = thrown(() => outputOf([10, 10, 3], conv2d({ filters: 1, size: 3, stride: 2 })));
    expect(error.code).to.equal('INVALID_SHAPE');
    expect(error.message)
      .to.match(/^conv1: /)
      .and.contain('(10 - 3 + 0)/2 + 1 = 4.5')
      .and.contain("fit: 'crop'");
    expect(error.details).to.include({ layer: 'conv1' });
  });

  it("takes its own fit before the network's", () => {
    const layer = (fit?: 'crop' | 'pad'): Layer =>
      conv2d({ filters: 1, size: 3, stride: 2, ...(fit === undefined ? {} : { fit }) });
    expect(outputOf([10, 10, 1], layer(), 'crop')).to.deep.equal([4, 4, 1]);
    expect(outputOf([10, 10, 1], layer(), 'pad')).to.deep.equal([5, 5, 1]);
    expect(outputOf([10, 10, 1], layer('pad'), 'crop')).to.deep.equal([5, 5, 1]);
  });

  it('takes rectangles, dilation, groups and padding by side', () => {
    const layer = conv2d({
      filters: 6,
      size: [3, 5],
      stride: [1, 2],
      dilation: [2, 1],
      groups: 2,
      padding: { top: 1, right: 2, bottom: 3 },
      bias: false,
    });
    const net = sequential([9, 9, 4], [layer]);
    expect(net.nodes.at(-1)!.shape).to.deep.equal([9, 4, 6]);
    expect(net.parameters().map(({ spec }) => [spec.shape, spec.fanIn, spec.fanOut])).to.deep.equal(
      [[[3, 5, 2, 6], 30, 45]],
    );
    const [instruction] = recordForward(layer, [[9, 9, 4]]).instructions;
    expect(instruction!.op).to.equal('conv2d');
    expect(instruction!.attributes).to.deep.equal({
      strideH: 1,
      strideW: 2,
      padTop: 1,
      padLeft: 0,
      padBottom: 3,
      padRight: 2,
      dilationH: 2,
      dilationW: 1,
      groups: 2,
      activation: 0,
      algorithm: 0,
      tf32: 0,
      winograd: 1, // still open: the compiler chooses
    });
    expect(instruction!.operands.b).to.equal(undefined);
  });

  it('refuses groups that do not divide, and vectors', () => {
    expect(
      thrown(() => outputOf([4, 4, 3], conv2d({ filters: 4, size: 1, groups: 2 }))).code,
    ).to.equal('INVALID_SHAPE');
    expect(
      thrown(() => outputOf([4, 4, 4], conv2d({ filters: 3, size: 1, groups: 2 }))).message,
    ).to.contain('2 groups');
    expect(thrown(() => outputOf([16], conv2d({ filters: 3, size: 1 }))).message).to.contain(
      '[height, width, channels]',
    );
  });

  it("pads 'same' for every stride", () => {
    for (const stride of [1, 2, 3, 4])
      expect(
        outputOf([13, 10, 1], conv2d({ filters: 1, size: 5, stride, padding: 'same' })),
      ).to.deep.equal([Math.ceil(13 / stride), Math.ceil(10 / stride), 1]);
  });
});

describe('pooling', () => {
  it('takes the window as stride unless given', () => {
    expect(outputOf([8, 8, 3], maxPool2d({ size: 2 }))).to.deep.equal([4, 4, 3]);
    expect(outputOf([7, 7, 3], maxPool2d({ size: 3, stride: 2 }))).to.deep.equal([3, 3, 3]);
    expect(outputOf([8, 6, 3], avgPool2d({ size: [4, 2] }))).to.deep.equal([2, 3, 3]);
  });

  it('drops a last window that starts in the padding', () => {
    const layer = maxPool2d({ size: 2, stride: 2, padding: 1, fit: 'pad' });
    expect(outputOf([5, 5, 1], layer)).to.deep.equal([3, 3, 1]);
    // Caffe's ceil on AlexNet-like 112x112: 56x56; PyTorch without ceil_mode: 55x55.
    expect(outputOf([112, 112, 1], maxPool2d({ size: 3, stride: 2, fit: 'pad' }))).to.deep.equal([
      56, 56, 1,
    ]);
    expect(outputOf([112, 112, 1], maxPool2d({ size: 3, stride: 2, fit: 'crop' }))).to.deep.equal([
      55, 55, 1,
    ]);
  });

  it('refuses padding that is not smaller than the window', () => {
    const error = thrown(() => outputOf([8, 8, 1], maxPool2d({ size: 2, padding: 2 })));
    expect(error.code).to.equal('INVALID_SHAPE');
    expect(error.message).to.contain('not smaller than the window 2x2');
  });

  it('keeps switches for training only: bytes, or wider ones for large windows', () => {
    const small = recordForward(maxPool2d({ size: 2 }), [[4, 4, 3]]).instructions[0]!;
    expect(small.operands.switches).to.include({ dtype: 'uint8' });
    expect(small.operands.switches!.shape).to.deep.equal([2, 2, 3]);
    const large = recordForward(maxPool2d({ size: 17 }), [[17, 17, 1]]).instructions[0]!;
    expect(large.operands.switches).to.include({ dtype: 'int32' });
    const inference = recordForward(maxPool2d({ size: 2 }), [[4, 4, 3]], { mode: 'infer' });
    expect(inference.instructions[0]!.operands.switches).to.equal(undefined);
  });

  it('averages with or without the padding', () => {
    const attribute = (countPadding: boolean): unknown =>
      recordForward(avgPool2d({ size: 3, padding: 1, countPadding }), [[9, 9, 1]], { fit: 'crop' })
        .instructions[0]!.attributes.countPadding;
    expect([attribute(true), attribute(false)]).to.deep.equal([1, 0]);
  });

  it('averages the whole plane into a vector', () => {
    expect(outputOf([7, 5, 64], globalAvgPool2d())).to.deep.equal([64]);
    const { attributes } = recordForward(globalAvgPool2d(), [[7, 5, 64]]).instructions[0]!;
    expect(attributes).to.include({ sizeH: 7, sizeW: 5, padTop: 0 });
  });

  it('takes the largest of the whole plane, with switches as wide as the plane needs', () => {
    expect(outputOf([17, 19, 64], globalMaxPool2d())).to.deep.equal([64]);
    for (const [size, dtype] of [
      [15, 'uint8'],
      [17, 'int32'],
    ] as const) {
      const { attributes, operands } = recordForward(globalMaxPool2d(), [[size, size, 3]])
        .instructions[0]!;
      expect(attributes).to.include({ sizeH: size, sizeW: size, padTop: 0 });
      expect(operands.switches).to.include({ dtype });
    }
    const inference = recordForward(globalMaxPool2d(), [[7, 5, 3]], { mode: 'infer' });
    expect(inference.instructions[0]!.operands.switches).to.equal(undefined);
    expect(thrown(() => outputOf([64], globalMaxPool2d())).code).to.equal('INVALID_SHAPE');
  });

  it('takes the norm of windows', () => {
    const layer = l2Pool2d({ size: 3, stride: 2, padding: 1 });
    expect(outputOf([7, 9, 3], layer)).to.deep.equal([4, 5, 3]);
    const [instruction] = recordForward(layer, [[7, 9, 3]]).instructions;
    expect(instruction!.op).to.equal('l2Pool2d');
    expect(instruction!.attributes).to.include({ sizeH: 3, strideW: 2, padTop: 1, padRight: 1 });
    expect(outputOf([8, 8, 1], l2Pool2d({ size: 3, stride: 2, fit: 'pad' }))).to.deep.equal([
      4, 4, 1,
    ]);
    expect(thrown(() => outputOf([8, 8, 1], l2Pool2d({ size: 3, stride: 2 }))).code).to.equal(
      'INVALID_SHAPE',
    );
  });
});
