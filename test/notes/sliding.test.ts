// The notes' section "Converting FC layers to CONV layers".
import { expect } from 'chai';
import {
  atHalfStride,
  conv2d,
  convolutionToDense,
  dense,
  load,
  maxPool2d,
  models,
  relu,
  sequential,
  slide,
  toDense,
  toFullyConvolutional,
  Weights,
  type Layer,
  type Network,
  type NetworkWithWeights,
} from '../../lib/index.js';
import { crops, drawn, farthest, noise, outputsOf } from '../conversions/support.js';

/** Weights of the network's shapes that take no memory: for shapes only. */
function hollow(network: Network): NetworkWithWeights {
  const weights = new Weights();
  for (const { name, spec } of network.parameters()) {
    const length = spec.shape.reduce((a, b) => a * b, 1);
    weights.set(name, { dtype: 'float32', shape: spec.shape, data: new Float32Array(length) });
  }
  return { network, weights };
}

/** VGG-16 with a thirty-second of its filters; `features`: only up to the last pooling. */
function narrowVgg(features: boolean): Network {
  const stages = [2, 2, 3, 3, 3].flatMap((count, stage): Layer[] => [
    ...Array.from({ length: count }, () => [
      conv2d({ filters: [2, 4, 8, 16, 16][stage]!, size: 3, padding: 1 }),
      relu(),
    ]).flat(),
    maxPool2d({ size: 2 }),
  ]);
  const classifier = [
    dense({ units: 32 }),
    relu(),
    dense({ units: 32 }),
    relu(),
    dense({ units: 10 }),
  ];
  return sequential([224, 224, 3], features ? stages : [...stages, ...classifier]);
}

describe('notes: dense layers as convolutions', () => {
  it('7x7x512 -> 4096 becomes F=7, the others F=1; 384 gives 12x12x512 and 6x6x1000', () => {
    const source = hollow(models.vgg16());
    const { network, weights } = toFullyConvolutional(source);
    const last = network.nodes.filter(({ layer }) => layer?.kind === 'conv2d').slice(-3);
    expect(last.map(({ layer }) => layer!.options.size)).to.deep.equal([
      [7, 7],
      [1, 1],
      [1, 1],
    ]);
    expect(last.map(({ shape }) => shape)).to.deep.equal([
      [1, 1, 4096],
      [1, 1, 4096],
      [1, 1, 1000],
    ]);
    expect(weights.get('fc1.w')!.shape).to.deep.equal([7, 7, 512, 4096]);
    // Not a byte was copied: dense weights lie in memory as the filters do.
    expect(weights.get('fc1.w')!.data).to.equal(source.weights.get('fc1.w')!.data);

    const larger = slide(source, { input: [384, 384] }).network;
    expect(larger.nodes.find(({ name }) => name === 'pool5')!.shape).to.deep.equal([12, 12, 512]);
    expect(larger.nodes.at(-1)!.shape).to.deep.equal([6, 6, 1000]);
    expect(larger.summary().totals.parameters).to.equal(138_357_544);
  });

  it('FC to CONV and CONV to FC, both ways, give the same numbers', async () => {
    const net = sequential([7, 7, 4], [dense({ units: 6 }), relu(), dense({ units: 3 })]);
    const source = drawn(net);
    const x = noise(2 * 7 * 7 * 4);
    const expected = await outputsOf(source, x);
    const there = toFullyConvolutional(source);
    expect(farthest((await outputsOf(there, x)).data, expected.data)).to.be.below(1e-6);
    expect(farthest((await outputsOf(toDense(there), x)).data, expected.data)).to.be.below(1e-6);
    // The matrix of a convolution is mostly zero and repeats itself.
    const conv = drawn(sequential([7, 7, 4], [conv2d({ filters: 3, size: 3, padding: 1 })]));
    const matrix = convolutionToDense(conv, 'conv1');
    const [a, b] = [await outputsOf(conv, x), await outputsOf(matrix, x)];
    expect(farthest(a.data, b.data)).to.be.below(1e-6);
  });
});

describe('notes: sliding over a larger image', () => {
  // Without padding and overlap: 1x1 convolutions and 2x2 pooling, a reduction by 32.
  const unpadded = sequential(
    [224, 224, 3],
    [
      ...[4, 4, 8, 8, 8].flatMap((filters) => [
        conv2d({ filters, size: 1 }),
        relu(),
        maxPool2d({ size: 2 }),
      ]),
      dense({ units: 16 }),
      relu(),
      dense({ units: 10 }),
    ],
  );

  it('one pass over 384x384 equals 36 crops of 224x224, 32 pixels apart', async () => {
    const source = drawn(unpadded);
    const image = noise(384 * 384 * 3);
    const { data, shape } = await outputsOf(slide(source, { input: [384, 384] }), image);
    expect(shape).to.deep.equal([1, 6, 6, 10]);
    const apart = await outputsOf(source, crops(image, [384, 3], 224, 32));
    expect(apart.shape).to.deep.equal([36, 10]);
    expect(farthest(data, apart.data)).to.be.below(1e-5);
  });

  it('four passes equal 121 crops, 16 pixels apart', async () => {
    const source = drawn(unpadded);
    const image = noise(384 * 384 * 3);
    const { network, weights } = slide(source, { input: [384, 384] });
    await using model = await load({ network, weights }, { device: 'cpu', batch: 1 });
    const predict = (x: Parameters<typeof model.predict>[0]) => model.predict(x);
    const { data, shape } = await atHalfStride({
      ...{ network, predict, window: [224, 224], images: image },
    });
    expect(shape).to.deep.equal([1, 11, 11, 10]);
    const apart = await outputsOf(source, crops(image, [384, 3], 224, 16));
    expect(farthest(data, apart.data)).to.be.below(1e-5);
  });

  it('VGG pads, so that crops differ: each sees zeros around its own border', async () => {
    const source = drawn(narrowVgg(false));
    const image = noise(256 * 256 * 3);
    const { data } = await outputsOf(slide(source, { input: [256, 256] }), image);
    const apart = await outputsOf(source, crops(image, [256, 3], 224, 32));
    const norm = Math.hypot(...apart.data);
    const difference = Math.hypot(...data.map((v, i) => v - apart.data[i]!)) / norm;
    // Measured: 0.14 of the scores' norm with these weights. "Identical", as the notes have it, is 1e-6.
    expect(difference).to.be.within(0.01, 0.5);
  });

  it('of the 7x7 features of a VGG crop only the middle one sees no border, and is equal', async () => {
    const source = drawn(narrowVgg(true));
    const { size, stride, offset } = source.network.summary().rows.at(-1)!.receptiveField!;
    expect([size[0], stride[0]]).to.deep.equal([212, 32]);
    // The field of feature i goes from first(i) to first(i) + 211: inside 0..223 for i = 3 alone.
    const first = (i: number): number => offset[0] - (size[0] - 1) / 2 + i * stride[0];
    const inside = [0, 1, 2, 3, 4, 5, 6].filter((i) => first(i) >= 0 && first(i) + 211 <= 223);
    expect(inside).to.deep.equal([3]);

    const image = noise(288 * 288 * 3);
    const large = slide(source, { input: [288, 288] });
    const { data: whole } = await outputsOf(large, image);
    // The crop in the middle begins at pixel 32: its feature (i, j) is (i + 1, j + 1) of the image's 9x9.
    const crop = crops(image, [288, 3], 224, 32).subarray(4 * 224 * 224 * 3, 5 * 224 * 224 * 3);
    const { data: own } = await outputsOf(source, crop);
    const differs: (readonly [number, number])[] = [];
    for (let i = 0; i < 7; i += 1)
      for (let j = 0; j < 7; j += 1) {
        const a = own.subarray((i * 7 + j) * 16, (i * 7 + j + 1) * 16);
        const at = ((i + 1) * 9 + j + 1) * 16;
        if (!(farthest(a, whole.subarray(at, at + 16)) < 1e-5)) differs.push([i, j]);
      }
    expect(differs).to.have.length(48).and.not.deep.include([3, 3]);
  });
});
