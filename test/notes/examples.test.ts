// The worked examples of the CS231n notes "Convolutional Neural Networks", in their order.
import { expect } from 'chai';
import {
  conv2d,
  dense,
  device,
  im2col,
  maxPool2d,
  models,
  relu,
  sequential,
  type Network,
  type Shape,
} from '../../lib/index.js';
import { farthest, noise } from '../conversions/support.js';
import { thrown } from '../support/thrown.js';

const shapeAfter = (net: Network): Shape => net.nodes.at(-1)!.shape;
const shapeOf = (net: Network, name: string): Shape =>
  net.nodes.find((node) => node.name === name)!.shape;
const parametersOf = (net: Network): number => net.summary().totals.parameters;

/** A convolution on the CPU: volume, filters `[R, S, C, K]`, biases. */
async function convolve(
  x: { data: Float32Array; shape: Shape },
  w: { data: Float32Array; shape: Shape },
  b: Float32Array,
  options: { stride?: number; padding?: number },
): Promise<{ data: Float32Array; shape: Shape }> {
  await using cpu = await device('cpu');
  const y = await cpu.ops.conv2d(
    await cpu.tensor(x.data, [1, ...x.shape]),
    await cpu.tensor(w.data, w.shape),
    await cpu.tensor(b, [b.length]),
    options,
  );
  return { data: (await y.read()) as Float32Array, shape: y.shape.slice(1) };
}

/** The notes' `np.sum(X[y:y + F, x:x + F, :] * Wk) + bk`, in double precision. */
function windowSum(
  x: { data: Float32Array; shape: Shape },
  [y, column]: readonly [number, number],
  w: { data: Float32Array; shape: Shape },
  k: number,
  bias: number,
): number {
  const [height, width, channels] = x.shape as [number, number, number];
  const [rows, columns, , filters] = w.shape as [number, number, number, number];
  let sum = bias;
  for (let r = 0; r < rows; r += 1)
    for (let s = 0; s < columns; s += 1)
      for (let c = 0; c < channels; c += 1) {
        const [i, j] = [y + r, column + s];
        if (i < 0 || i >= height || j < 0 || j >= width) continue;
        sum +=
          x.data[(i * width + j) * channels + c]! *
          w.data[((r * columns + s) * channels + c) * filters + k]!;
      }
  return sum;
}

describe('notes: sizes', () => {
  it('a fully connected neuron sees 3,072 numbers of 32x32x3, 120,000 of 200x200x3', () => {
    const one = dense({ units: 1, bias: false });
    expect(parametersOf(sequential([32, 32, 3], [one]))).to.equal(3072);
    expect(parametersOf(sequential([200, 200, 3], [one]))).to.equal(120_000);
  });

  it('INPUT - CONV - RELU - POOL - FC for CIFAR-10: 32x32x12, 16x16x12, 10', () => {
    const net = sequential(
      [32, 32, 3],
      [
        conv2d({ filters: 12, size: 3, padding: 1 }),
        relu(),
        maxPool2d({ size: 2 }),
        dense({ units: 10 }),
      ],
    );
    const shapes = net.nodes.map(({ shape }) => shape);
    expect(shapes).to.deep.equal([[32, 32, 3], [32, 32, 12], [32, 32, 12], [16, 16, 12], [10]]);
  });

  it('examples 1 and 2: 75 weights and a bias for 5x5 on 3 channels, 180 for 3x3 on 20', () => {
    expect(parametersOf(sequential([32, 32, 3], [conv2d({ filters: 1, size: 5 })]))).to.equal(76);
    const second = sequential([16, 16, 20], [conv2d({ filters: 1, size: 3, bias: false })]);
    expect(parametersOf(second)).to.equal(180);
  });

  it('7x7 with 3x3 filters: 5x5 at stride 1, 3x3 at stride 2', () => {
    for (const [stride, side] of [
      [1, 5],
      [2, 3],
    ] as const) {
      const net = sequential([7, 7, 1], [conv2d({ filters: 1, size: 3, stride })]);
      expect(shapeAfter(net)).to.deep.equal([side, side, 1]);
    }
  });

  it('W=5, F=3, P=1: 5 at stride 1, 3 at stride 2, refused at stride 3', () => {
    const at = (stride: number): Network =>
      sequential(
        [1, 5, 1],
        [conv2d({ filters: 1, size: [1, 3], stride: [1, stride], padding: [0, 1] })],
      );
    expect(shapeAfter(at(1))).to.deep.equal([1, 5, 1]);
    expect(shapeAfter(at(2))).to.deep.equal([1, 3, 1]);
    expect(thrown(() => at(3)).message).to.match(/\(5 - 3 \+ 2\)\/3 \+ 1 = 2\.333/);
  });

  it('the weights [1, 0, -1] over the figure’s numbers', async () => {
    // The figure's input is [1, 2, -1, 1, -3]; its outputs are [-2, 2, 1, 2, 1] and [-2, 1, 1].
    const x = { data: Float32Array.of(1, 2, -1, 1, -3), shape: [1, 5, 1] };
    const w = { data: Float32Array.of(0, 0, 0, 1, 0, -1, 0, 0, 0), shape: [3, 3, 1, 1] };
    const every = await convolve(x, w, Float32Array.of(0), { padding: 1 });
    expect([...every.data]).to.deep.equal([-2, 2, 1, 2, 1]);
    const second = { data: Float32Array.of(1, 0, -1), shape: [1, 3, 1, 1] };
    const padded = { data: Float32Array.of(0, 1, 2, -1, 1, -3, 0), shape: [1, 7, 1] };
    const strided = await convolve(padded, second, Float32Array.of(0), { stride: 2 });
    expect([...strided.data]).to.deep.equal([-2, 1, 1]);
  });

  it('W=10, F=3, S=2 is refused with 4.5; cropped and padded it fits', () => {
    const net = (fit: 'exact' | 'crop' | 'pad'): Network =>
      sequential([10, 10, 1], [conv2d({ filters: 1, size: 3, stride: 2 })], { fit });
    const error = thrown(() => net('exact'));
    expect(error.code).to.equal('INVALID_SHAPE');
    expect(error.message).to.match(/\(10 - 3 \+ 0\)\/2 \+ 1 = 4\.5/);
    expect(error.remedy).to.match(/crop/);
    expect(shapeAfter(net('crop'))).to.deep.equal([4, 4, 1]);
    expect(shapeAfter(net('pad'))).to.deep.equal([5, 5, 1]);
  });
});

describe('notes: the first layer of Krizhevsky et al.', () => {
  const first = (input: Shape): Network =>
    sequential(input, [conv2d({ filters: 96, size: 11, stride: 4 })]);

  it('227x227x3 gives 55x55x96: 290,400 neurons of 363 weights and a bias', () => {
    const net = first([227, 227, 3]);
    expect(shapeAfter(net)).to.deep.equal([55, 55, 96]);
    const neurons = 55 * 55 * 96;
    expect(net.summary().rows.at(-1)!.values).to.equal(neurons);
    expect(neurons).to.equal(290_400);
    // Without sharing each neuron would have weights of its own.
    expect(neurons * (11 * 11 * 3 + 1)).to.equal(105_705_600);
  });

  it('shared, these are 34,848 weights and 34,944 parameters', () => {
    const { totals } = first([227, 227, 3]).summary();
    expect([totals.weights, totals.parameters]).to.deep.equal([34_848, 34_944]);
  });

  it('224, as the paper says, does not fit; with 3 more pixels it does', () => {
    expect(thrown(() => first([224, 224, 3])).message).to.match(/\/4 \+ 1 = 54\.25/);
    const padding = { top: 1, left: 1, bottom: 2, right: 2 };
    const padded = sequential(
      [224, 224, 3],
      [conv2d({ filters: 96, size: 11, stride: 4, padding })],
    );
    expect(shapeAfter(padded)).to.deep.equal([55, 55, 96]);
  });

  it('im2col of 227x227x3 is [363 x 3025], and W_row X_col is the convolution', async () => {
    const x = { data: noise(227 * 227 * 3), shape: [227, 227, 3] };
    const columns = im2col(x.data, x.shape, { size: 11, stride: 4 });
    expect(columns.shape).to.deep.equal([363, 3025]);
    const filters = 8;
    const w = { data: noise(363 * filters, 3), shape: [11, 11, 3, filters] };
    const y = await convolve(x, w, new Float32Array(filters), { stride: 4 });
    const product = new Float64Array(3025 * filters);
    for (let d = 0; d < 363; d += 1)
      for (let p = 0; p < 3025; p += 1)
        for (let k = 0; k < filters; k += 1)
          product[p * filters + k]! += w.data[d * filters + k]! * columns.data[d * 3025 + p]!;
    expect(farthest(y.data, product)).to.be.below(1e-4);
  });
});

describe('notes: the numpy example', () => {
  it('X (11,11,4), F=5, S=2: V[0,0,0] ... V[2,3,1]', async () => {
    const x = { data: noise(11 * 11 * 4), shape: [11, 11, 4] };
    const w = { data: noise(5 * 5 * 4 * 2, 3), shape: [5, 5, 4, 2] };
    const b = Float32Array.of(0.25, -0.5);
    const v = await convolve(x, w, b, { stride: 2 });
    expect(v.shape).to.deep.equal([4, 4, 2]);
    const at = (i: number, j: number, k: number): number => v.data[(i * 4 + j) * 2 + k]!;
    // The elements that the notes write out, with the first pixel of each one's window.
    const written = [
      [0, 0, 0, 0, 0],
      [1, 0, 0, 2, 0],
      [2, 0, 0, 4, 0],
      [3, 0, 0, 6, 0],
      [0, 0, 1, 0, 0],
      [1, 0, 1, 2, 0],
      [2, 0, 1, 4, 0],
      [3, 0, 1, 6, 0],
      [0, 1, 1, 0, 2],
      [2, 3, 1, 4, 6],
    ] as const;
    for (const [i, j, k, y, column] of written)
      expect(at(i, j, k), `V[${i},${j},${k}]`).to.be.closeTo(
        windowSum(x, [y, column], w, k, b[k]!),
        1e-5,
      );
  });

  it('the demo: 5x5x3, K=2, F=3, S=2, P=1 gives 3x3x2', async () => {
    // The page draws its numbers anew each time: filters of -1, 0, 1, pixels of 0, 1, 2, biases 1 and 0.
    const whole = (length: number, from: number, seed: number): Float32Array =>
      noise(length, seed).map((v) => Math.floor(((v + 1) / 2) * 3) + from);
    const x = { data: whole(75, 0, 5), shape: [5, 5, 3] };
    const w = { data: whole(54, -1, 6), shape: [3, 3, 3, 2] };
    const b = Float32Array.of(1, 0);
    const y = await convolve(x, w, b, { stride: 2, padding: 1 });
    expect(y.shape).to.deep.equal([3, 3, 2]);
    const expected = Array.from({ length: 18 }, (_, i) => {
      const [row, column, k] = [Math.floor(i / 6), Math.floor(i / 2) % 3, i % 2];
      return windowSum(x, [2 * row - 1, 2 * column - 1], w, k, b[k]!);
    });
    expect([...y.data]).to.deep.equal(expected);
  });
});

describe('notes: pooling, depth and memory', () => {
  it('2x2 at stride 2 keeps a quarter: 224x224x64 becomes 112x112x64', () => {
    const net = sequential([224, 224, 64], [maxPool2d({ size: 2, stride: 2 })]);
    expect(shapeAfter(net)).to.deep.equal([112, 112, 64]);
  });

  it('the figure: the maxima of 1 1 2 4 / 5 6 7 8 / 3 2 1 0 / 1 2 3 4 are 6 8 / 3 4', async () => {
    await using cpu = await device('cpu');
    const x = Float32Array.of(1, 1, 2, 4, 5, 6, 7, 8, 3, 2, 1, 0, 1, 2, 3, 4);
    const y = await cpu.ops.maxPool2d(await cpu.tensor(x, [1, 4, 4, 1]), { size: 2, stride: 2 });
    expect([...(await y.read())]).to.deep.equal([6, 8, 3, 4]);
  });

  it('five poolings take 224 to 7, in VGG-16', () => {
    const net = models.vgg16();
    const sides = net.nodes
      .filter(({ layer }) => layer?.kind === 'maxPool2d')
      .map(({ shape }) => shape[0]);
    expect(sides).to.deep.equal([112, 56, 28, 14, 7]);
    expect(shapeOf(net, 'pool5')).to.deep.equal([7, 7, 512]);
  });

  it('three 3x3 layers see 7x7 with 27 C^2 weights, one 7x7 layer has 49 C^2', () => {
    const c = 8;
    const stack = sequential(
      [21, 21, c],
      [0, 1, 2].map(() => conv2d({ filters: c, size: 3, bias: false })),
    );
    const single = sequential([21, 21, c], [conv2d({ filters: c, size: 7, bias: false })]);
    for (const net of [stack, single])
      expect(net.summary().rows.at(-1)!.receptiveField!.size).to.deep.equal([7, 7]);
    expect(parametersOf(stack)).to.equal(27 * c * c);
    expect(parametersOf(single)).to.equal(49 * c * c);
  });

  it('three 224x224x64 volumes with their gradients take 73.5 MiB (72 MB in the notes)', () => {
    const net = sequential(
      [224, 224, 3],
      [0, 1, 2].map(() => conv2d({ filters: 64, size: 3, padding: 1 })),
    );
    const values = net
      .summary()
      .rows.slice(1)
      .reduce((sum, row) => sum + row.values, 0);
    // "About 10 million activations"; each has a gradient, each number 4 bytes.
    expect(values).to.equal(9_633_792);
    expect((values * 2 * 4) / 2 ** 20).to.equal(73.5);
  });
});
