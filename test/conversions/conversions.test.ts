import { expect } from 'chai';
import {
  add,
  atHalfStride,
  avgPool2d,
  batchNorm,
  concat,
  conv2d,
  convolutionToDense,
  dense,
  dropout,
  flatten,
  globalAvgPool2d,
  globalMaxPool2d,
  im2col,
  input,
  load,
  maxPool2d,
  Network,
  network,
  relu,
  reshape,
  sequential,
  slide,
  toDense,
  toFullyConvolutional,
} from '../../lib/index.js';
import { thrown } from '../support/thrown.js';
import { crops, drawn, farthest, noise, outputsOf } from './support.js';

/** Dense layers in every place in which a network may have them. */
const networks: Readonly<Record<string, () => Network>> = {
  'a classifier as VGG has it': () =>
    sequential(
      [12, 12, 3],
      [
        conv2d({ filters: 5, size: 3, padding: 1 }),
        relu(),
        maxPool2d({ size: 2 }),
        flatten(),
        relu(),
        dense({ units: 9 }),
        batchNorm(),
        relu(),
        dropout({ rate: 0.5 }),
        dense({ units: 4, bias: false, name: 'head' }),
      ],
    ),
  'without flatten, on an oblong plane': () =>
    sequential([7, 10, 2], [conv2d({ filters: 3, size: [2, 3] }), dense({ units: 5 })]),
  'global pooling, as residual networks have it': () =>
    sequential(
      [9, 9, 3],
      [conv2d({ filters: 6, size: 3, padding: 1 }), globalAvgPool2d(), dense({ units: 4 })],
    ),
  'branches of vectors that meet': () => {
    const x = input([8, 6, 2]);
    const y = conv2d({ filters: 4, size: 3, padding: 1 })(x);
    const means = dense({ units: 5 })(globalAvgPool2d()(y));
    const most = dense({ units: 5 })(globalMaxPool2d()(y));
    return network(x, dense({ units: 3 })(concat(add(means, most), dense({ units: 2 })(y))));
  },
  'a vector as its input': () =>
    sequential([6], [dense({ units: 5 }), relu(), dense({ units: 2 })]),
  'one dense layer applied twice': () => {
    const x = input([4, 4, 2]);
    const shared = dense({ units: 6 });
    return network(x, add(shared(x), shared(relu()(x))));
  },
};

const small = sequential([6, 6, 2], [conv2d({ filters: 3, size: 3 }), dense({ units: 4 })]);

describe('conversions: dense layers and convolutions', () => {
  for (const [name, make] of Object.entries(networks)) {
    it(`${name}: equal as convolutions, and back`, async () => {
      const source = drawn(make());
      const images = noise(3 * source.network.nodes[0]!.shape.reduce((a, b) => a * b, 1));
      const expected = await outputsOf(source, images);
      const converted = toFullyConvolutional(source);
      const kinds = converted.network.nodes.map(({ layer }) => layer?.kind);
      expect(kinds).to.not.include.members(['dense']).and.not.include('flatten');
      expect(converted.network.nodes.every(({ shape }) => shape.length === 3)).to.equal(true);
      const there = await outputsOf(converted, images);
      expect(farthest(there.data, expected.data)).to.be.below(1e-5);
      const plain = Network.fromJSON(JSON.parse(JSON.stringify(converted.network)));
      expect(plain.toJSON()).to.deep.equal(converted.network.toJSON());

      const returned = toDense(converted);
      const back = await outputsOf(returned, images);
      expect(back.shape).to.deep.equal(expected.shape);
      expect(farthest(back.data, expected.data)).to.be.below(1e-5);
      const names = (net: Network): string[] =>
        net.parameters().map(({ name: parameter }) => parameter);
      expect(names(returned.network)).to.deep.equal(names(source.network));
      for (const { name: parameter, spec } of source.network.parameters())
        expect(returned.weights.get(parameter)!.shape, parameter).to.deep.equal(spec.shape);
    });
  }

  it('auxiliary outputs stay, with their weights; a sliding network has none', () => {
    const x = input([8, 8, 2]);
    const y = conv2d({ filters: 3, size: 3 })(x);
    const auxiliary = [{ output: dense({ units: 2 })(globalAvgPool2d()(y)), weight: 0.3 }];
    const source = drawn(network(x, dense({ units: 2 })(y), { auxiliary }));
    const converted = toFullyConvolutional(source);
    const [{ output, weight }] = converted.network.auxiliary as [
      { output: number; weight: number },
    ];
    expect([converted.network.nodes[output]!.name, weight]).to.deep.equal(['fc1', 0.3]);
    expect(toDense(converted).network.auxiliary).to.have.length(1);
    const slid = slide(source, { input: [9, 9] });
    expect(slid.network.auxiliary).to.have.length(0);
    expect([...slid.weights.keys()]).to.have.members(
      slid.network.parameters().map(({ name }) => name),
    );
  });

  it('the source stays as it was', () => {
    const source = drawn(small);
    toFullyConvolutional(source);
    expect(source.weights.get('fc1.w')!.shape).to.deep.equal([48, 4]);
  });

  it('toDense leaves convolutions alone whose output a layer on volumes reads', async () => {
    const net = sequential(
      [3, 3, 2],
      [
        conv2d({ filters: 4, size: 3 }),
        conv2d({ filters: 3, size: 3, padding: 1 }),
        conv2d({ filters: 2, size: 1 }),
      ],
    );
    const source = drawn(net);
    const converted = toDense(source);
    expect(converted.network.nodes.map(({ layer }) => layer?.kind)).to.deep.equal([
      undefined,
      'conv2d',
      'conv2d',
      'dense',
    ]);
    const images = noise(2 * 18);
    const [a, b] = [await outputsOf(source, images), await outputsOf(converted, images)];
    expect(farthest(a.data, b.data)).to.be.below(1e-6);
  });

  it('grouped and dilated convolutions of the whole plane stay', () => {
    const grouped = drawn(sequential([3, 3, 4], [conv2d({ filters: 4, size: 3, groups: 2 })]));
    expect(toDense(grouped).network.nodes[1]!.layer!.kind).to.equal('conv2d');
    const dilated = drawn(sequential([3, 3, 4], [conv2d({ filters: 4, size: 2, dilation: 2 })]));
    expect(toDense(dilated).network.nodes[1]!.layer!.kind).to.equal('conv2d');
  });

  it('refuse what has no equal', () => {
    const of = (net: Network) => () => toFullyConvolutional(drawn(net));
    expect(thrown(of(sequential([4, 4, 2], [flatten(), batchNorm()]))).message).to.match(
      /bn1 \(batchNorm\) takes \[32\]/,
    );
    expect(
      thrown(of(sequential([4, 4, 2], [flatten(), reshape([2, 8, 2]), dense({ units: 2 })]))).code,
    ).to.equal('INVALID_ARGUMENT');
    const source = drawn(small);
    const without = new Map(source.weights);
    without.delete('fc1.w');
    expect(
      thrown(() => toFullyConvolutional({ network: small, weights: without })).message,
    ).to.equal('the weights lack fc1.w');
    without.set('fc1.w', { dtype: 'float32', shape: [3, 4], data: new Float32Array(12) });
    expect(
      thrown(() => toFullyConvolutional({ network: small, weights: without })).message,
    ).to.equal('fc1.w is [3, 4], the network has [48, 4]');
    expect(thrown(() => toDense(small as never)).remedy).to.match(/\{ network, weights \}/);
  });
});

describe('conversions: a convolution as a matrix', () => {
  const cases = {
    plain: conv2d({ filters: 4, size: 3, name: 'c' }),
    'strided, padded on one side': conv2d({
      ...{ filters: 4, size: [2, 3], stride: [2, 1], name: 'c' },
      padding: { top: 1, left: 2 },
    }),
    'in groups, dilated, without bias': conv2d({
      ...{ filters: 6, size: 2, dilation: [1, 2], groups: 2, bias: false, name: 'c' },
    }),
    same: conv2d({ filters: 4, size: 3, stride: 2, padding: 'same', name: 'c' }),
  };
  for (const [name, layer] of Object.entries(cases))
    it(`${name}: gives the same volume`, async () => {
      const source = drawn(
        sequential([5, 6, 4], [relu(), layer, maxPool2d({ size: 1 })], { fit: 'crop' }),
      );
      const converted = convolutionToDense(source, 'c');
      expect(converted.network.nodes.map(({ layer: l }) => l?.kind)).to.include('dense');
      const images = noise(2 * 120);
      const [a, b] = [await outputsOf(source, images), await outputsOf(converted, images)];
      expect(b.shape).to.deep.equal(a.shape);
      expect(farthest(a.data, b.data)).to.be.below(1e-5);
    });

  it('is mostly zero, and the rest repeats: local connections, shared parameters', () => {
    const source = drawn(sequential([8, 8, 2], [conv2d({ filters: 3, size: 3 })]));
    const { weights } = convolutionToDense(source, 'conv1');
    const { shape, data } = weights.get('conv1.w')!;
    expect(shape).to.deep.equal([128, 108]);
    const values = [...(data as Float32Array)].filter((value) => value !== 0);
    // 6x6 positions of 3x3x2x3 filter elements.
    expect(values).to.have.length(36 * 54);
    expect(new Set(values).size).to.be.at.most(54);
    expect(weights.get('conv1.b')!.shape).to.deep.equal([108]);
  });

  it('refuses other layers and matrices that no machine holds', () => {
    const source = drawn(small);
    expect(thrown(() => convolutionToDense(source, 'fc1')).remedy).to.equal(
      'Its convolutions: conv1.',
    );
    const large = sequential([224, 224, 3], [conv2d({ filters: 64, size: 3, padding: 1 })]);
    expect(thrown(() => convolutionToDense(drawn(large), 'conv1')).message).to.match(/GiB/);
  });

  it('im2col gives windows as columns', () => {
    const volume = Float32Array.from({ length: 12 }, (_, i) => i);
    const { data, shape } = im2col(volume, [3, 4, 1], { size: 2, padding: { left: 1 } });
    expect(shape).to.deep.equal([4, 8]);
    expect([...data.subarray(0, 8)]).to.deep.equal([0, 0, 1, 2, 0, 4, 5, 6]);
    expect(thrown(() => im2col(volume, [3, 4, 2], { size: 2 })).code).to.equal('INVALID_ARGUMENT');
  });
});

describe('conversions: larger images', () => {
  const net = sequential(
    [8, 8, 3],
    [
      conv2d({ filters: 6, size: 1 }),
      relu(),
      maxPool2d({ size: 2 }),
      avgPool2d({ size: 2 }),
      flatten(),
      dense({ units: 5 }),
      relu(),
      dense({ units: 3 }),
    ],
  );

  it('one pass equals crops at the network’s stride', async () => {
    const source = drawn(net);
    const image = noise(20 * 20 * 3);
    const slid = slide(source, { input: [20, 20] });
    const { data, shape } = await outputsOf(slid, image);
    expect(shape).to.deep.equal([1, 4, 4, 3]);
    const apart = await outputsOf(source, crops(image, [20, 3], 8, 4));
    expect(farthest(data, apart.data)).to.be.below(1e-6);
  });

  it('four shifted passes equal crops at half the stride, to the last position', async () => {
    const source = drawn(net);
    for (const [side, positions] of [
      [20, 7],
      [22, 8],
      [8, 1],
    ] as const) {
      const images = noise(2 * side * side * 3, side);
      const slid = slide(source, { input: [side, side], fit: 'crop' });
      await using model = await load(slid, { device: 'cpu' });
      const { data, shape } = await atHalfStride({
        network: slid.network,
        predict: (x) => model.predict(x),
        window: [8, 8],
        images,
      });
      expect(shape).to.deep.equal([2, positions, positions, 3]);
      const pixels = side * side * 3;
      for (const i of [0, 1]) {
        const image = images.subarray(i * pixels, (i + 1) * pixels);
        const apart = await outputsOf(source, crops(image, [side, 3], 8, 2));
        const part = positions * positions * 3;
        expect(farthest(data.subarray(i * part, (i + 1) * part), apart.data)).to.be.below(1e-6);
      }
    }
  });

  it('a residual network slides: global pooling becomes a window', () => {
    const x = input([8, 8, 3]);
    const y = relu()(add(conv2d({ filters: 3, size: 3, padding: 1 })(x), x));
    const residual = network(x, dense({ units: 2 })(globalAvgPool2d()(y)));
    const { network: slid } = slide(drawn(residual), { input: [9, 12] });
    expect(slid.nodes.at(-1)!.shape).to.deep.equal([2, 5, 2]);
  });

  it('refuse what cannot slide', () => {
    const source = drawn(net);
    expect(thrown(() => slide(source, { input: [4, 8] })).code).to.equal('INVALID_SHAPE');
    expect(thrown(() => slide(source, { input: 20 as never })).code).to.equal('INVALID_ARGUMENT');
    expect(thrown(() => slide(source, { size: [9, 9] } as never)).code).to.equal(
      'INVALID_ARGUMENT',
    );
  });

  it('half a stride needs an even stride, a window inside, and whole images', async () => {
    const refused = async (options: object): Promise<string> => {
      const { network: slid } = slide(drawn(net), { input: [20, 20] });
      const given = {
        ...{ network: slid, window: [8, 8], images: new Float32Array(1200) },
        ...{ predict: () => Promise.reject(new Error('not reached')) },
        ...options,
      };
      return atHalfStride(given as never).then(
        () => '',
        (error: unknown) => (error as Error).message,
      );
    };
    expect(await refused({ window: [24, 8] })).to.match(/larger than the images/);
    expect(await refused({ images: new Float32Array(1201) })).to.match(/multiple of 1200/);
    expect(await refused({ network: net })).to.match(/not a volume of one stride/);
    const odd = sequential([9, 9, 1], [maxPool2d({ size: 3 })]);
    expect(await refused({ network: odd })).to.match(/half of the stride 3x3/);
  });

  it('load refuses anything but a path or a network with weights', async () => {
    const error = await load({ network: net } as never).catch((e: unknown) => e as Error);
    expect((error as Error).message).to.match(/a path or \{ network, weights \}/);
  });
});
