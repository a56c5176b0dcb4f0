// Layers that change height and width: transposed and depthwise convolution, padding, cropping, upsampling.
import { expect } from 'chai';
import {
  conv2d,
  convTranspose2d,
  crop2d,
  depthwiseConv2d,
  locallyConnected2d,
  Network,
  pad2d,
  sequential,
  sgd,
  upsample2d,
  Weights,
  zeroPad2d,
  type ConvTranspose2dOptions,
  type Layer,
  type Shape,
} from '../../lib/index.js';
import { mean, square, sub } from '../../lib/layers/index.js';
import type { Value } from '../../lib/graph/value.js';
import { thrown } from '../support/thrown.js';

const loss = (y: Value, target: Value): Value => mean(square(sub(y, target)));
const settings = {
  device: 'cpu',
  precision: 'float64',
  loss,
  optimizer: sgd({ learningRate: 1 }),
} as const;

const shapeAfter = (shape: Shape, layer: Layer): Shape =>
  sequential(shape, [layer]).nodes.at(-1)!.shape;

async function outputOf(
  shape: Shape,
  layer: Layer,
  x: readonly number[],
  parameters: Readonly<Record<string, readonly number[]>> = {},
): Promise<number[]> {
  // Something to train: a channel times one.
  const one = conv2d({ filters: 1, size: 1, bias: false, name: 'one' });
  const net = sequential(shape, layer.definition.parameters ? [layer] : [one, layer]);
  const given = new Weights();
  for (const { name, spec } of net.parameters()) {
    const data = Float64Array.from(name === 'one.w' ? [1] : parameters[spec.name]!);
    given.set(name, { dtype: 'float64', shape: spec.shape, data });
  }
  await using run = await net.trainer({ ...settings, batch: 1, weights: given });
  return [...(await run.predict(Float64Array.from(x))).data];
}

/** x[h, w, c] = (7 h + 3 w + 5 c) mod 11 - 5, w[r, s, k, c] = (5 r + 3 s + 2 k + c) mod 7 - 3. */
const image = ([H, W, C]: readonly [number, number, number]): number[] =>
  Array.from({ length: H * W * C }, (_, i) => {
    const [h, w, c] = [Math.floor(i / (W * C)), Math.floor(i / C) % W, i % C];
    return ((h * 7 + w * 3 + c * 5) % 11) - 5;
  });
const filters = ([R, S, K, C]: readonly [number, number, number, number]): number[] =>
  Array.from({ length: R * S * K * C }, (_, i) => {
    const [r, s] = [Math.floor(i / (S * K * C)), Math.floor(i / (K * C)) % S];
    return ((r * 5 + s * 3 + (Math.floor(i / C) % K) * 2 + (i % C)) % 7) - 3;
  });

interface Transposed {
  x: readonly [number, number, number];
  options: Omit<ConvTranspose2dOptions, 'size'> & { size: readonly [number, number] };
  y: { shape: Shape; values: readonly number[] };
}

// torch.nn.functional.conv_transpose2d (PyTorch 2.13) of x and w above with bias[k] = k + 1, channels last.
const transposed: readonly Transposed[] = [
  {
    x: [2, 3, 2],
    options: { filters: 2, size: [3, 3], stride: 2, padding: 1, outputPadding: 1 },
    y: {
      shape: [4, 6, 2],
      values: [
        11, 2, 1, -13, 2, 5, -8, -6, 4, -3, -8, 20, -18, 4, 14, -3, -15, 10, 21, -13, 21, 5, -15,
        -3, 1, -2, 2, 7, -8, 1, 4, 25, 5, 4, 2, -13, 19, 2, -2, 3, 19, -7, -2, 5, -14, 6, 4, 3,
      ],
    },
  },
  {
    x: [2, 2, 4],
    options: {
      filters: 2,
      size: [2, 3],
      stride: [1, 2],
      padding: [0, 1],
      groups: 2,
      dilation: [2, 1],
    },
    y: {
      shape: [4, 3, 2],
      values: [1, 9, -14, -4, 4, 2, -3, -11, 6, 1, 0, 4, 11, 1, 1, 25, 2, 4, 1, -3, 2, 12, -8, 0],
    },
  },
  {
    x: [3, 1, 1],
    options: { filters: 1, size: [1, 2], stride: [3, 2], outputPadding: [2, 1], dilation: [1, 3] },
    y: {
      shape: [9, 5, 1],
      values: [
        16, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -5, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
        7, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
      ],
    },
  },
  {
    x: [1, 2, 2],
    options: { filters: 4, size: [2, 2], stride: 2, groups: 2 },
    y: {
      shape: [2, 4, 4],
      values: [
        16, 7, 3, 4, 1, -8, 3, 4, 7, 4, -3, 4, 1, -2, 6, 13, -9, 17, 3, 4, 11, 2, 3, 4, -3, 8, 12,
        -2, 5, 2, 0, 7,
      ],
    },
  },
];

describe('convTranspose2d', () => {
  for (const { x, options, y } of transposed)
    it(`is PyTorch's: ${x.join('x')} with ${JSON.stringify(options)}`, async () => {
      const layer = convTranspose2d(options);
      expect(shapeAfter(x, layer)).to.deep.equal(y.shape);
      const w = filters([...options.size, options.filters / (options.groups ?? 1), x[2]]);
      const b = Array.from({ length: options.filters }, (_, k) => k + 1);
      expect(await outputOf(x, layer, image(x), { w, b })).to.deep.equal(y.values);
    });

  it('undoes the size of a convolution', () => {
    const padded = { size: 4, stride: 2, padding: { top: 2, left: 1, right: 1 } } as const;
    const down = shapeAfter([8, 10, 3], conv2d({ filters: 5, ...padded }));
    expect(shapeAfter(down, convTranspose2d({ filters: 3, ...padded }))).to.deep.equal([8, 10, 3]);
    for (const [size, stride] of [
      [3, 2],
      [4, 2],
      [1, 3],
      [5, 1],
    ] as const) {
      const layer = convTranspose2d({ filters: 2, size, stride, padding: 'same' });
      expect(shapeAfter([5, 4, 1], layer)).to.deep.equal([5 * stride, 4 * stride, 2]);
    }
  });

  it('has the filters of the convolution the other way', () => {
    const net = sequential([4, 4, 6], [convTranspose2d({ filters: 8, size: 3, groups: 2 })]);
    expect(net.parameters().map(({ name, spec }) => [name, spec.shape])).to.deep.equal([
      ['conv1.w', [3, 3, 4, 6]],
      ['conv1.b', [8]],
    ]);
  });

  it('says what does not fit', () => {
    const after = (options: object): string =>
      thrown(() => shapeAfter([4, 4, 6], convTranspose2d({ filters: 4, size: 3, ...options })))
        .message;
    expect(after({ stride: 2, outputPadding: 2 })).to.contain('not below the stride 2');
    expect(after({ padding: 3 })).to.contain('(4 - 1)*1 + 3 - 6 + 0 = 0');
    expect(after({ stride: 2, padding: 'same', outputPadding: 1 })).to.contain('no room');
    expect(after({ groups: 4 })).to.contain('4 groups do not divide 6 channels');
    expect(after({ fit: 'crop' })).to.contain("no option 'fit'");
  });
});

describe('depthwiseConv2d', () => {
  it('is a convolution with as many groups as channels', async () => {
    const options = { size: [3, 2], stride: 2, padding: 1, dilation: [1, 2], fit: 'crop' } as const;
    const layer = depthwiseConv2d({ ...options, multiplier: 2 });
    const grouped = conv2d({ ...options, filters: 6, groups: 3 });
    const given = { w: filters([3, 2, 6, 1]), b: [1, 2, 3, 4, 5, 6] };
    const x = image([5, 6, 3]);
    expect(shapeAfter([5, 6, 3], layer)).to.deep.equal(shapeAfter([5, 6, 3], grouped));
    expect(await outputOf([5, 6, 3], layer, x, given)).to.deep.equal(
      await outputOf([5, 6, 3], grouped, x, given),
    );
  });

  it('has one filter a channel unless more are asked for', () => {
    const net = sequential([4, 4, 6], [depthwiseConv2d({ size: 3, bias: false })]);
    expect(net.parameters()[0]!.spec).to.deep.include({ shape: [3, 3, 1, 6], fanIn: 9 });
  });
});

const threes = [1, 2, 3, 4, 5, 6, 7, 8, 9];

describe('pad2d and crop2d', () => {
  it('pads with a number, a mirror, or the border', async () => {
    const corner = { top: 1, left: 2 };
    const padded = (options: object): Promise<number[]> =>
      outputOf([3, 3, 1], pad2d({ padding: corner, ...options }), threes);
    const rows = (...r: number[][]): number[] => r.flat();
    expect(await padded({ value: -1 })).to.deep.equal(
      rows([-1, -1, -1, -1, -1], [-1, -1, 1, 2, 3], [-1, -1, 4, 5, 6], [-1, -1, 7, 8, 9]),
    );
    expect(await padded({ mode: 'reflect' })).to.deep.equal(
      rows([6, 5, 4, 5, 6], [3, 2, 1, 2, 3], [6, 5, 4, 5, 6], [9, 8, 7, 8, 9]),
    );
    expect(await padded({ mode: 'replicate' })).to.deep.equal(
      rows([1, 1, 1, 2, 3], [1, 1, 1, 2, 3], [4, 4, 4, 5, 6], [7, 7, 7, 8, 9]),
    );
    expect(await outputOf([3, 3, 1], zeroPad2d({ padding: [0, 1] }), threes)).to.deep.equal(
      rows([0, 1, 2, 3, 0], [0, 4, 5, 6, 0], [0, 7, 8, 9, 0]),
    );
  });

  it('crops by sides', async () => {
    expect(
      await outputOf([3, 3, 1], crop2d({ cropping: { top: 1, right: 1 } }), threes),
    ).to.deep.equal([4, 5, 7, 8]);
    expect(shapeAfter([9, 8, 2], crop2d({ cropping: [3, 2] }))).to.deep.equal([3, 4, 2]);
  });

  it('says what does not fit', () => {
    expect(thrown(() => pad2d({ padding: 1, mode: 'reflect', value: 1 })).message).to.contain(
      'takes no value',
    );
    expect(thrown(() => pad2d({ padding: 'same' as never })).message).to.contain("is 'same'");
    expect(thrown(() => pad2d({ padding: 1, mode: 'circular' as never })).remedy).to.contain(
      "'replicate'",
    );
    const mirrored = pad2d({ padding: [3, 0], mode: 'reflect' });
    expect(thrown(() => shapeAfter([3, 9, 1], mirrored)).message).to.contain('not smaller');
    expect(thrown(() => shapeAfter([4, 4, 1], crop2d({ cropping: 2 }))).message).to.contain(
      'leaves nothing of 4x4',
    );
  });
});

describe('upsample2d', () => {
  it('repeats, or goes evenly from pixel to pixel', async () => {
    const two = [1, 2, 3, 4];
    const large = (options: object): Promise<number[]> =>
      outputOf([2, 2, 1], upsample2d(options), two);
    expect(await large({ scale: 2 })).to.deep.equal([
      1, 1, 2, 2, 1, 1, 2, 2, 3, 3, 4, 4, 3, 3, 4, 4,
    ]);
    // The examples in the documentation of torch.nn.Upsample.
    expect(await large({ scale: 2, mode: 'bilinear' })).to.deep.equal([
      1, 1.25, 1.75, 2, 1.5, 1.75, 2.25, 2.5, 2.5, 2.75, 3.25, 3.5, 3, 3.25, 3.75, 4,
    ]);
    const aligned = await large({ scale: 2, mode: 'bilinear', alignCorners: true });
    [
      1, 1.3333, 1.6667, 2, 1.6667, 2, 2.3333, 2.6667, 2.3333, 2.6667, 3, 3.3333, 3, 3.3333, 3.6667,
      4,
    ].forEach((value, i) => expect(aligned[i]).to.be.closeTo(value, 5e-5));
    expect(await large({ size: [1, 3] })).to.deep.equal([1, 1, 2]);
  });

  it('takes one of scale and size, and corners where they mean something', () => {
    expect(thrown(() => upsample2d({})).message).to.contain('takes scale or size');
    expect(thrown(() => upsample2d({ scale: 2, size: 4 })).message).to.contain('not both');
    expect(thrown(() => upsample2d({ scale: 2, alignCorners: true })).message).to.contain(
      "of mode 'bilinear'",
    );
  });
});

const layers: readonly Layer[] = [
  convTranspose2d({ filters: 3, size: 3, stride: 2, padding: 1, outputPadding: 1 }),
  convTranspose2d({ filters: 4, size: [2, 3], dilation: 2, groups: 2, bias: false }),
  convTranspose2d({ filters: 2, size: 1, stride: 3, padding: 'same' }),
  depthwiseConv2d({ size: 3, multiplier: 2, padding: 1 }),
  locallyConnected2d({ filters: 3, size: 2, stride: [1, 2] }),
  pad2d({ padding: { top: 1, left: 2 }, value: 0.5 }),
  pad2d({ padding: [2, 1], mode: 'reflect' }),
  pad2d({ padding: [3, 2], mode: 'replicate' }),
  crop2d({ cropping: { bottom: 2, right: 1 } }),
  upsample2d({ scale: 2 }),
  upsample2d({ size: [7, 9], mode: 'bilinear' }),
  upsample2d({ size: [7, 2], mode: 'bilinear', alignCorners: true }),
];

describe('layers that change height and width', () => {
  for (const layer of layers) {
    const what = `${layer.kind} ${JSON.stringify(layer.options)}`.slice(0, 120);
    // Between two convolutions, so that the gradient goes through the layer.
    const net = sequential(
      [5, 4, 2],
      [conv2d({ filters: 2, size: 1 }), layer, conv2d({ filters: 1, size: 1 })],
    );

    it(`${what}: learns by the gradient`, async () => {
      const batch = 2;
      const x = Float64Array.from({ length: batch * 40 }, (_, i) => Math.sin(1 + 1.7 * i));
      const outputs = net.nodes.at(-1)!.shape.reduce((a, b) => a * b);
      const target = Float64Array.from({ length: batch * outputs }, (_, i) => Math.cos(i));
      await using run = await net.trainer({ ...settings, batch });
      const before = await run.weights();
      await run.step({ x, target });
      const after = await run.weights();

      // The derivative along a direction that has a part in every parameter.
      let expected = 0;
      const moved = (by: number): Weights => {
        const weights = new Weights();
        let i = 0;
        for (const [name, { shape, data }] of before) {
          const values = Float64Array.from(data as Float64Array, (v) => v + by * Math.sin(++i));
          weights.set(name, { dtype: 'float64', shape, data: values });
        }
        return weights;
      };
      let i = 0;
      for (const [name, { data }] of before) {
        const next = after.get(name)!.data as Float64Array;
        (data as Float64Array).forEach((value, at) => {
          expected += (value - next[at]!) * Math.sin(++i);
        });
      }
      const lossAt = async (by: number): Promise<number> => {
        await using there = await net.trainer({ ...settings, batch, weights: moved(by) });
        return (await there.step({ x, target })).loss;
      };
      const numeric = ((await lossAt(1e-5)) - (await lossAt(-1e-5))) / 2e-5;
      expect(expected).to.be.closeTo(numeric, 1e-7 * (1 + Math.abs(numeric)));
    });

    it(`${what}: comes back from JSON`, () => {
      const again = Network.fromJSON(JSON.parse(JSON.stringify(net)));
      expect(JSON.stringify(again)).to.equal(JSON.stringify(net));
      expect(again.nodes.map(({ shape }) => shape)).to.deep.equal(
        net.nodes.map(({ shape }) => shape),
      );
      expect(String(net.summary())).to.contain(layer.kind);
    });
  }
});
