// The values that Caffe's and PyTorch's own tests expect of pooling. A source stands before each: a file of
// BVLC/caffe at 9b89154 or of pytorch/pytorch, and the test's name.
import { expect } from 'chai';
import { device, type Device } from '../../lib/index.js';
import type { Tensor } from '../../lib/runtime/tensor.js';
import { planesOf, repeated, type Plane } from './planes.js';

/** Places within windows as places within the plane, as Caffe and PyTorch give them. */
function inPlane(
  places: Plane,
  [sizeW, width]: readonly [number, number],
  stride: number,
): number[][] {
  return places.map((row, p) =>
    row.map(
      (place, q) => (p * stride + Math.floor(place / sizeW)) * width + q * stride + (place % sizeW),
    ),
  );
}

interface Maxima {
  name: string;
  x: Plane;
  size: readonly [number, number];
  y: Plane;
  mask: Plane;
}

// MATLAB's magic(6), which the test writes out.
const magic = [
  [35, 1, 6, 26, 19, 24],
  [3, 32, 7, 21, 23, 25],
  [31, 9, 2, 22, 27, 20],
  [8, 28, 33, 17, 10, 15],
  [30, 5, 34, 12, 14, 16],
  [4, 36, 29, 13, 18, 11],
];

// Caffe, src/caffe/test/test_pooling_layer.cpp: TestForwardMax and TestForwardMaxTopMask, stride 1, 2 images
// of 2 equal channels.
const maxima: readonly Maxima[] = [
  {
    name: 'TestForwardSquare',
    x: [
      [1, 2, 5, 2, 3],
      [9, 4, 1, 4, 8],
      [1, 2, 5, 2, 3],
    ],
    size: [2, 2],
    y: [
      [9, 5, 5, 8],
      [9, 5, 5, 8],
    ],
    mask: [
      [5, 2, 2, 9],
      [5, 12, 12, 9],
    ],
  },
  {
    name: 'TestForwardRectHigh',
    x: magic,
    size: [3, 2],
    y: [
      [35, 32, 26, 27, 27],
      [32, 33, 33, 27, 27],
      [31, 34, 34, 27, 27],
      [36, 36, 34, 18, 18],
    ],
    mask: [
      [0, 7, 3, 16, 16],
      [7, 20, 20, 16, 16],
      [12, 26, 26, 16, 16],
      [31, 31, 26, 34, 34],
    ],
  },
  {
    name: 'TestForwardRectWide',
    x: magic,
    size: [2, 3],
    y: [
      [35, 32, 26, 26],
      [32, 32, 27, 27],
      [33, 33, 33, 27],
      [34, 34, 34, 17],
      [36, 36, 34, 18],
    ],
    mask: [
      [0, 7, 3, 3],
      [7, 7, 16, 16],
      [20, 20, 20, 16],
      [26, 26, 26, 21],
      [31, 31, 26, 34],
    ],
  },
];

describe('pooling, as other libraries test it', () => {
  let d: Device;
  before(async () => {
    d = await device('cpu');
  });
  after(() => d.close());

  for (const { name, x, size, y, mask } of maxima)
    it(`Caffe's ${name}`, async () => {
      const options = { size, stride: 1, switches: true } as const;
      const pooled = await d.ops.maxPool2d(await repeated(d, x, 2, 2), options);
      expect(pooled.y.shape).to.deep.equal([2, y.length, y[0]!.length, 2]);
      expect(await planesOf(pooled.y)).to.deep.equal([y, y, y, y]);
      for (const places of await planesOf(pooled.switches))
        expect(inPlane(places, [size[1], x[0]!.length], 1)).to.deep.equal(mask);
    });

  // The same file: TestSetup, TestSetupPadded, TestSetupGlobalPooling, of 2x3x6x5.
  it("Caffe's sizes", async () => {
    const x = await d.tensor(new Float32Array(2 * 6 * 5 * 3), [2, 6, 5, 3]);
    const half = { size: 3, stride: 2, fit: 'pad' } as const;
    expect((await d.ops.maxPool2d(x, half)).shape).to.deep.equal([2, 3, 2, 3]);
    expect((await d.ops.avgPool2d(x, { ...half, padding: 1 })).shape).to.deep.equal([2, 4, 3, 3]);
    expect((await d.ops.avgPool2d(x, { size: [6, 5] })).shape).to.deep.equal([2, 1, 1, 3]);
  });

  // The same file: TestForwardMaxPadded.
  it("Caffe's TestForwardMaxPadded", async () => {
    const x = [
      [1, 2, 4],
      [2, 3, 2],
      [4, 2, 1],
    ];
    const options = { size: 3, stride: 2, padding: 2, fit: 'pad' } as const;
    const y = await d.ops.maxPool2d(await repeated(d, x), options);
    expect(await planesOf(y)).to.deep.equal([
      [
        [1, 4, 4],
        [4, 4, 4],
        [4, 4, 1],
      ],
    ]);
  });

  // The same file: TestForwardAve, of a plane of twos.
  it("Caffe's TestForwardAve", async () => {
    const twos = Array.from({ length: 3 }, () => [2, 2, 2]);
    const options = { size: 3, stride: 1, padding: 1 };
    const [y] = await planesOf(await d.ops.avgPool2d(await repeated(d, twos), options));
    [8 / 9, 4 / 3, 8 / 9, 4 / 3, 2, 4 / 3, 8 / 9, 4 / 3, 8 / 9].forEach((value, i) =>
      expect(y!.flat()[i]).to.be.closeTo(value, 1e-5),
    );
  });

  // PyTorch, test/nn/test_pooling.py: _test_maxpool_indices in two dimensions, over 1, 2, ... of 2x2x4x4.
  it("PyTorch's test_MaxPool2d_indices", async () => {
    const data = new Float32Array(64);
    for (let i = 0; i < 64; i += 1) {
      const [image, channel, pixel] = [i >> 5, (i >> 4) & 1, i & 15];
      data[(image * 16 + pixel) * 2 + channel] = i + 1;
    }
    const options = { size: 2, stride: 2, switches: true } as const;
    const { y, switches } = await d.ops.maxPool2d(await d.tensor(data, [2, 4, 4, 2]), options);
    // torch.arange(6, 63, 8), and two more beside each.
    const column = Array.from({ length: 8 }, (_, i) => 6 + 8 * i);
    expect((await planesOf(y)).flat()).to.deep.equal(column.map((first) => [first, first + 2]));
    for (const places of await planesOf(switches))
      expect(inPlane(places, [2, 4], 2)).to.deep.equal([
        [5, 7],
        [13, 15],
      ]);
    const ones: Tensor = await d.tensor(new Float32Array(16).fill(1), [2, 2, 2, 2]);
    const dx = await d.ops.maxPool2dBackward(ones, switches, { size: 2, stride: 2, inputSize: 4 });
    const gradient = [
      [0, 0, 0, 0],
      [0, 1, 0, 1],
      [0, 0, 0, 0],
      [0, 1, 0, 1],
    ];
    expect(await planesOf(dx)).to.deep.equal([gradient, gradient, gradient, gradient]);
  });

  // The same file: test_avg_pool2d_ceil_mode; a window that lies in the padding alone would give NaN.
  it("PyTorch's test_avg_pool2d_ceil_mode", async () => {
    const data = Float32Array.from({ length: 256 }, (_, i) => 10 * Math.sin(i));
    const options = { size: [1, 2], stride: 2, padding: [0, 1], fit: 'pad' } as const;
    const y = await d.ops.avgPool2d(await d.tensor(data, [1, 4, 4, 16]), options);
    expect((await y.read()).every((value) => Number.isFinite(value))).to.equal(true);
  });
});
