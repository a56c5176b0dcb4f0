import { expect } from 'chai';
import {
  constant,
  gaussian,
  glorotNormal,
  glorotUniform,
  heNormal,
  heUniform,
  initialize,
  uniform,
  xavier,
  type Initializer,
} from '../../lib/initializers/index.js';
import { hashName, philox, Stream } from '../../lib/initializers/philox.js';

describe('philox', () => {
  // Known answers of Random123 (kat_vectors, philox4x32 10).
  const answers: [number[], number[], number[]][] = [
    [
      [0, 0, 0, 0],
      [0, 0],
      [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8],
    ],
    [
      [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
      [0xffffffff, 0xffffffff],
      [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
    ],
    [
      [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
      [0xa4093822, 0x299f31d0],
      [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
    ],
  ];
  it('gives the known answers', () => {
    for (const [counter, key, expected] of answers) {
      const out = new Uint32Array(4);
      philox(counter as [number, number, number, number], key as [number, number], out);
      expect([...out]).to.deep.equal(expected);
    }
  });

  it('hashes names by FNV-1a', () => {
    expect(hashName('')).to.equal(0xcbf29ce484222325n);
    expect(hashName('a')).to.equal(0xaf63dc4c8601ec8cn);
    expect(hashName('foobar')).to.equal(0x85944171f73967e8n);
  });

  it('draws uniforms in [0, 1) and normals of deviation 1', () => {
    const stream = new Stream(1, 'conv1.w');
    let [total, squares] = [0, 0];
    const count = 20_000;
    for (let i = 0; i < count; i++) {
      const u = stream.uniform();
      expect(u).to.be.within(0, 1 - 2 ** -24);
      const z = stream.normal();
      total += z;
      squares += z * z;
    }
    expect(Math.abs(total / count)).to.be.below(0.03);
    expect(squares / count).to.be.within(0.95, 1.05);
  });
});

describe('initialize', () => {
  const fans = { shape: [5, 5, 8, 25], fanIn: 200, fanOut: 625 };
  const moments = (
    init: Initializer,
  ): { mean: number; variance: number; least: number; most: number } => {
    const values = initialize({ ...fans, init }, 3, 'conv1.w', 'float64');
    const mean = values.reduce((sum, v) => sum + v, 0) / values.length;
    const variance = values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / values.length;
    return { mean, variance, least: Math.min(...values), most: Math.max(...values) };
  };

  const variances: [string, Initializer, number][] = [
    ['glorotUniform', glorotUniform(), 2 / 825],
    ['glorotNormal', glorotNormal(), 2 / 825],
    ['heUniform', heUniform(), 2 / 200],
    ['heNormal', heNormal(), 2 / 200],
    ['xavier', xavier(), 1 / 200],
    ['gaussian', gaussian({ std: 0.01 }), 1e-4],
    ['uniform', uniform({ from: -1, to: 1 }), 1 / 3],
  ];
  for (const [name, init, variance] of variances) {
    it(`${name} has its variance`, () => {
      const found = moments(init);
      expect(found.variance / variance).to.be.within(0.93, 1.07);
      expect(Math.abs(found.mean)).to.be.below(0.06 * Math.sqrt(variance));
    });
  }

  it('stays within the limits of a uniform start', () => {
    const limit = Math.sqrt(3 / 200);
    const { least, most } = moments(xavier());
    expect(least).to.be.at.least(-limit);
    expect(most).to.be.below(limit);
    expect(most - least).to.be.above(1.98 * limit);
  });

  it('depends on seed and name alone', () => {
    const draw = (seed: number, name: string): number[] => [
      ...initialize({ shape: [6], fanIn: 4, fanOut: 4, init: heNormal() }, seed, name),
    ];
    expect(draw(0, 'conv1.w')).to.deep.equal(draw(0, 'conv1.w'));
    expect(draw(0, 'conv1.w')).to.not.deep.equal(draw(1, 'conv1.w'));
    expect(draw(0, 'conv1.w')).to.not.deep.equal(draw(0, 'conv2.w'));
  });

  it('gives float64 the numbers that float32 rounds', () => {
    const parameter = { shape: [50], fanIn: 4, fanOut: 4, init: gaussian({ std: 1 }) };
    const wide = initialize(parameter, 0, 'w', 'float64');
    expect([...initialize(parameter, 0, 'w')]).to.deep.equal([...Float32Array.from(wide)]);
    expect([...initialize({ ...parameter, init: constant(2) }, 0, 'w')]).to.deep.equal(
      new Array(50).fill(2),
    );
  });
});
