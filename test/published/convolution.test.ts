// The values that Caffe's and PyTorch's own tests and documentation give for convolution, its transpose,
// cropping, padding and upsampling. A source stands before each: a file of BVLC/caffe at 9b89154 or of
// pytorch/pytorch, and the test's name.
import { expect } from 'chai';
import {
  convTranspose2d,
  device,
  sequential,
  upsample2d,
  type Device,
  type Shape,
} from '../../lib/index.js';
import type { Tensor } from '../../lib/runtime/tensor.js';
import { planesOf, repeated, type Plane } from './planes.js';

const filled = (d: Device, shape: Shape, value: number): Promise<Tensor> =>
  d.tensor(new Float32Array(shape.reduce((a, b) => a * b)).fill(value), shape);
const noise = (d: Device, shape: Shape): Promise<Tensor> => {
  const count = shape.reduce((a, b) => a * b);
  return d.tensor(
    Float32Array.from({ length: count }, (_, i) => Math.sin(1 + 1.3 * i * i)),
    shape,
  );
};

async function close(actual: Tensor, expected: (i: number) => number, within: number) {
  const data = await actual.read();
  data.forEach((value: number, i: number) => {
    expect(value, `element ${i}`).to.be.closeTo(expected(i), within);
  });
}

describe('convolution, as other libraries test it', () => {
  let d: Device;
  before(async () => {
    d = await device('cpu');
  });
  after(() => d.close());

  // Caffe, src/caffe/test/test_convolution_layer.cpp, 2 images of 3x6x4: TestSetup, TestSimpleConvolution.
  it("Caffe's TestSimpleConvolution: 27.1 everywhere", async () => {
    const [x, w, b] = [
      await filled(d, [2, 6, 4, 3], 1),
      await filled(d, [3, 3, 3, 4], 1),
      await filled(d, [4], 0.1),
    ];
    const y = await d.ops.conv2d(x, w, b, { stride: 2, fit: 'crop' });
    expect(y.shape).to.deep.equal([2, 2, 1, 4]);
    await close(y, () => 27.1, 1e-4);
  });

  // The same file: TestSimpleConvolutionGroup; every value of x is the number of its channel.
  it("Caffe's TestSimpleConvolutionGroup: 9 c + 0.1", async () => {
    const channels = Float32Array.from({ length: 2 * 6 * 4 * 3 }, (_, i) => i % 3);
    const x = await d.tensor(channels, [2, 6, 4, 3]);
    const [w, b] = [await filled(d, [3, 3, 1, 3], 1), await filled(d, [3], 0.1)];
    const y = await d.ops.conv2d(x, w, b, { stride: 2, groups: 3, fit: 'crop' });
    expect(y.shape).to.deep.equal([2, 2, 1, 3]);
    await close(y, (i) => (i % 3) * 9 + 0.1, 1e-4);
  });

  // The same file: TestSobelConvolution; the operator as one filter, and as a column and then a row.
  it("Caffe's TestSobelConvolution", async () => {
    const x = await noise(d, [2, 6, 4, 3]);
    /** One filter that is the same for every channel. */
    const filter = (plane: Plane, channels: number): Promise<Tensor> =>
      d.tensor(
        Float32Array.from(plane.flat().flatMap((v) => new Array<number>(channels).fill(v))),
        [plane.length, plane[0]!.length, channels, 1],
      );
    const sobel = [
      [-1, 0, 1],
      [-2, 0, 2],
      [-1, 0, 1],
    ];
    const whole = await d.ops.conv2d(x, await filter(sobel, 3), null, { stride: 2, fit: 'crop' });
    const column = await d.ops.conv2d(x, await filter([[1], [2], [1]], 3), null, {
      stride: [2, 1],
      fit: 'crop',
    });
    const both = await d.ops.conv2d(column, await filter([[-1, 0, 1]], 1), null, {
      stride: [1, 2],
      fit: 'crop',
    });
    expect(whole.shape).to.deep.equal([2, 2, 1, 1]);
    const expected = await both.read();
    await close(whole, (i) => Number(expected[i]), 1e-4);
  });

  // PyTorch, test/nn/test_convolution.py: test_conv2d_discontiguous_weight. The weights are the even ones of
  // 0, 1/1024, 2/1024, ... as [32, 16, 1, 1].
  it("PyTorch's test_conv2d_discontiguous_weight: a sum of 4186112", async () => {
    const x = await filled(d, [64, 16, 16, 16], 1);
    const w = new Float32Array(16 * 32);
    for (let k = 0; k < 32; k += 1)
      for (let c = 0; c < 16; c += 1) w[c * 32 + k] = (2 * (k * 16 + c)) / 1024;
    const y = await d.ops.conv2d(x, await d.tensor(w, [1, 1, 16, 32]), null);
    let sum = 0;
    (await y.read()).forEach((value: number) => (sum += value));
    expect(sum).to.equal(4186112);
  });

  // The same file: test_Conv2d_naive_groups; a convolution of two groups is two convolutions.
  it("PyTorch's test_Conv2d_naive_groups", async () => {
    const [x, w, b] = [await noise(d, [2, 6, 6, 4]), await noise(d, [3, 3, 2, 4]), [1, 2, 3, 4]];
    const part = async (t: Tensor, first: number): Promise<Tensor> => {
      const halves = (await t.read()).filter(
        (_: number, i: number) => Math.floor((i % 4) / 2) === first,
      );
      return d.tensor(Float32Array.from(halves), [...t.shape.slice(0, 3), 2]);
    };
    const bias = (numbers: readonly number[]): Promise<Tensor> =>
      d.tensor(Float32Array.from(numbers), [numbers.length]);
    const y = await planesOf(await d.ops.conv2d(x, w, await bias(b), { groups: 2 }));
    for (const half of [0, 1]) {
      const filters = await part(w, half);
      const shift = await bias(b.slice(2 * half, 2 * half + 2));
      const alone = await planesOf(await d.ops.conv2d(await part(x, half), filters, shift));
      alone.forEach((plane, i) => {
        const whole = y[Math.floor(i / 2) * 4 + 2 * half + (i % 2)]!.flat();
        plane.flat().forEach((value, at) => expect(whole[at]).to.be.closeTo(value, 1e-5));
      });
    }
  });

  // The same file: test_invalid_conv2d.
  it("PyTorch's test_invalid_conv2d", async () => {
    const refused = async (call: Promise<unknown>): Promise<unknown> =>
      call.then(
        () => 'no error',
        (error: unknown) => (error as { code?: string }).code,
      );
    const w = await filled(d, [3, 3, 1, 1], 1);
    const x = await filled(d, [1, 4, 4, 1], 1);
    const options = { dilation: 2, stride: 2, fit: 'crop' } as const;
    expect(await refused(d.ops.conv2d(x, w, null, options))).to.equal('INVALID_SHAPE');
    const one = await filled(d, [1, 1, 1, 3], 1);
    const large = await filled(d, [10, 10, 3, 33], 1);
    expect(await refused(d.ops.conv2d(one, large, null))).to.equal('INVALID_SHAPE');
    expect(await refused(d.ops.conv2d(x, w, null, { stride: 0 }))).to.equal('INVALID_ARGUMENT');
  });

  // Caffe, src/caffe/test/test_deconvolution_layer.cpp, 2 images of 3x6x4: TestSetup,
  // TestSimpleDeconvolution. Values where windows overlap along one axis have 3 more, along both 9.
  it("Caffe's TestSimpleDeconvolution", async () => {
    const net = sequential([6, 4, 3], [convTranspose2d({ filters: 4, size: 3, stride: 2 })]);
    expect(net.nodes.at(-1)!.shape).to.deep.equal([13, 9, 4]);
    const [x, w] = [await filled(d, [2, 6, 4, 3], 1), await filled(d, [3, 3, 4, 3], 1)];
    const products = await d.ops.conv2dBackwardData(x, w, { stride: 2, inputSize: [13, 9] });
    const y = await d.ops.addBias(products, await filled(d, [4], 0.1));
    const between = (at: number, extent: number): boolean =>
      at % 2 === 0 && at > 0 && at < extent - 1;
    await close(
      y,
      (i) => {
        const [h, v] = [Math.floor(i / 36) % 13, Math.floor(i / 4) % 9];
        const overlaps = Number(between(h, 13)) + Number(between(v, 9));
        return 3.1 + [0, 3, 9][overlaps]!;
      },
      1e-4,
    );
  });

  // PyTorch, test/nn/test_convolution.py: test_ConvTranspose2d_output_size; of 6x6 with filters of 3 and
  // stride 3, 18 to 20 rows and columns can be had and no others.
  it("PyTorch's test_ConvTranspose2d_output_size", () => {
    const extents = [0, 1, 2].map((outputPadding) => {
      const layer = convTranspose2d({ filters: 4, size: 3, stride: 3, outputPadding });
      return sequential([6, 6, 3], [layer]).nodes.at(-1)!.shape;
    });
    expect(extents).to.deep.equal([
      [18, 18, 4],
      [19, 19, 4],
      [20, 20, 4],
    ]);
    const layer = convTranspose2d({ filters: 4, size: 3, stride: 3, outputPadding: 3 });
    expect(() => sequential([6, 6, 3], [layer])).to.throw('not below the stride 3');
  });
});

describe('padding and upsampling, as documented elsewhere', () => {
  let d: Device;
  before(async () => {
    d = await device('cpu');
  });
  after(() => d.close());

  const nine = [
    [0, 1, 2],
    [3, 4, 5],
    [6, 7, 8],
  ];
  const padded = async (
    mode: 'reflect' | 'replicate',
    padding: number | { top: number; left: number; right: number },
  ): Promise<number[][]> => {
    const [plane] = await planesOf(await d.ops.pad2d(await repeated(d, nine), { mode, padding }));
    return plane!;
  };

  // PyTorch 2.13, the examples of nn.ReflectionPad2d and nn.ReplicationPad2d.
  it("PyTorch's ReflectionPad2d", async () => {
    expect(await padded('reflect', 2)).to.deep.equal([
      [8, 7, 6, 7, 8, 7, 6],
      [5, 4, 3, 4, 5, 4, 3],
      [2, 1, 0, 1, 2, 1, 0],
      [5, 4, 3, 4, 5, 4, 3],
      [8, 7, 6, 7, 8, 7, 6],
      [5, 4, 3, 4, 5, 4, 3],
      [2, 1, 0, 1, 2, 1, 0],
    ]);
    expect(await padded('reflect', { left: 1, right: 1, top: 2 })).to.deep.equal([
      [7, 6, 7, 8, 7],
      [4, 3, 4, 5, 4],
      [1, 0, 1, 2, 1],
      [4, 3, 4, 5, 4],
      [7, 6, 7, 8, 7],
    ]);
  });

  it("PyTorch's ReplicationPad2d", async () => {
    const [first, last] = [
      [0, 0, 0, 1, 2, 2, 2],
      [6, 6, 6, 7, 8, 8, 8],
    ];
    const middle = [3, 3, 3, 4, 5, 5, 5];
    expect(await padded('replicate', 2)).to.deep.equal([
      ...[first, first, first],
      middle,
      ...[last, last, last],
    ]);
    expect(await padded('replicate', { left: 1, right: 1, top: 2 })).to.deep.equal([
      [0, 0, 1, 2, 2],
      [0, 0, 1, 2, 2],
      [0, 0, 1, 2, 2],
      [3, 3, 4, 5, 5],
      [6, 6, 7, 8, 8],
    ]);
  });

  // PyTorch 2.13, the examples of nn.Upsample with a larger tensor.
  const cornered = [
    [1, 2, 0],
    [3, 4, 0],
    [0, 0, 0],
  ];
  const upsampled: readonly { alignCorners: boolean; y: Plane }[] = [
    {
      alignCorners: false,
      y: [
        [1, 1.25, 1.75, 1.5, 0.5, 0],
        [1.5, 1.75, 2.25, 1.875, 0.625, 0],
        [2.5, 2.75, 3.25, 2.625, 0.875, 0],
        [2.25, 2.4375, 2.8125, 2.25, 0.75, 0],
        [0.75, 0.8125, 0.9375, 0.75, 0.25, 0],
        [0, 0, 0, 0, 0, 0],
      ],
    },
    {
      alignCorners: true,
      y: [
        [1, 1.4, 1.8, 1.6, 0.8, 0],
        [1.8, 2.2, 2.6, 2.24, 1.12, 0],
        [2.6, 3, 3.4, 2.88, 1.44, 0],
        [2.4, 2.72, 3.04, 2.56, 1.28, 0],
        [1.2, 1.36, 1.52, 1.28, 0.64, 0],
        [0, 0, 0, 0, 0, 0],
      ],
    },
  ];
  for (const { alignCorners, y } of upsampled)
    it(`PyTorch's Upsample${alignCorners ? ' with aligned corners' : ''}`, async () => {
      const options = { scale: 2, mode: 'bilinear', alignCorners } as const;
      expect(sequential([3, 3, 1], [upsample2d(options)]).nodes.at(-1)!.shape).to.deep.equal([
        6, 6, 1,
      ]);
      const values = y.flat();
      await close(
        await d.ops.resize2d(await repeated(d, cornered), options),
        (i) => values[i]!,
        1e-6,
      );
    });
});
