import {
  f32,
  uniform,
  type Arrays,
  type ControlValues,
  type FamilyCases,
  type OpCase,
} from './cases.js';
import { volumes, type Volume } from './volumes.js';

/** Philox 4x32-10: four random words for a counter of four and a key of two (Salmon et al., SC 2011). */
export function philox(counter: readonly number[], key: readonly number[]): number[] {
  let [a, b, c, d] = counter.map((word) => BigInt(word >>> 0)) as [bigint, bigint, bigint, bigint];
  let [k0, k1] = key.map((word) => BigInt(word >>> 0)) as [bigint, bigint];
  const low = 0xffffffffn;
  for (let round = 0; round < 10; ++round) {
    const p = 0xd2511f53n * a;
    const q = 0xcd9e8d57n * c;
    [a, b, c, d] = [(q >> 32n) ^ b ^ k0, q & low, (p >> 32n) ^ d ^ k1, p & low];
    k0 = (k0 + 0x9e3779b9n) & low;
    k1 = (k1 + 0xbb67ae85n) & low;
  }
  return [a, b, c, d].map(Number);
}

const key = 0x1234_5678_9abc_def1n;

const dropout = (v: Volume, rate: number, control: ControlValues, note = ''): OpCase => ({
  name: `${v.name} rate ${rate}${note}`,
  attributes: { rate: f32(rate), key },
  control,
  inputs: { x: { shape: v.shape, fill: uniform(-1, 1), ...v.from } },
  outputs: { y: { shape: v.shape, ...v.to, ...(v.accumulate && { accumulate: true }) } },
  noTorch: 'PyTorch draws other masks',
});

const rates = [0.5, 0.1, 0.8, 0];
const small: Volume = { name: '3x5x2x3', shape: [3, 5, 2, 3] };

export default [
  {
    op: 'dropout',
    cases: [
      ...volumes
        .filter((v) => v.shape.length > 0)
        .map((v, i) =>
          dropout(v, rates[i % 4]!, { seed: 7 + i, step: i * 1000, sampleOffset: i % 3 }),
        ),
      dropout(small, 0.5, { seed: 0 }, ' seed zero'),
      dropout(small, 0.5, { seed: 2 ** 40 + 12345 }, ' seed above 32 bits'),
      dropout(small, 0.5, { seed: 1, step: 2 ** 33 + 5 }, ' step above 32 bits'),
      dropout(small, 0.5, { seed: 1, sampleOffset: 4096 }, ' within a larger batch'),
    ],
    reference: ({ x }: Arrays, c) => {
      const shape = c.inputs.x!.shape;
      const perSample = x!.length / shape[0]!;
      const rate = Number(c.attributes.rate);
      const { seed = 0, step = 0, sampleOffset = 0 } = c.control ?? {};
      const mixed = BigInt(seed) ^ BigInt.asUintN(64, BigInt(c.attributes.key!));
      const words = [Number(mixed & 0xffffffffn), Number(mixed >> 32n)];
      let drawn: number[] = [];
      const y = Float64Array.from(x!, (value, i) => {
        const element = i % perSample;
        const sample = Math.floor(i / perSample) + sampleOffset;
        if (element % 4 === 0)
          drawn = philox(
            [Math.floor(element / 4), sample, step % 2 ** 32, Math.floor(step / 2 ** 32)],
            words,
          );
        return (drawn[element % 4]! >>> 8) * 2 ** -24 >= rate ? value / (1 - rate) : 0;
      });
      return { y };
    },
  },
] satisfies FamilyCases;
