import { away, uniform, type Arrays, type FamilyCases, type OpCase, type Recipe } from './cases.js';
import { volumes, type Volume } from './volumes.js';

// In the order of the attribute `kind`; divisors keep away from zero.
const kinds: readonly { name: string; b: Recipe; f(a: number, b: number): number }[] = [
  { name: 'add', b: uniform(-1, 1), f: (a, b) => a + b },
  { name: 'sub', b: uniform(-1, 1), f: (a, b) => a - b },
  { name: 'mul', b: uniform(-1, 1), f: (a, b) => a * b },
  { name: 'div', b: away(0.4, 2), f: (a, b) => a / b },
];

const make = (kind: number, v: Volume, scalar: boolean): OpCase => ({
  name: `${kinds[kind]!.name}${scalar ? ' a number,' : ''} ${v.name}`,
  attributes: { kind },
  inputs: {
    a: { shape: v.shape, fill: uniform(-1, 1), ...v.from },
    b: scalar
      ? { shape: [], fill: kinds[kind]!.b }
      : { shape: v.shape, fill: kinds[kind]!.b, ...v.from },
  },
  outputs: { y: { shape: v.shape, ...v.to, ...(v.accumulate && { accumulate: true }) } },
});

export default [
  {
    op: 'binary',
    cases: kinds.flatMap((_, kind) => [
      ...volumes
        .filter((v, i) => v.from || v.to || v.accumulate || i % 4 === kind)
        .map((v) => make(kind, v, false)),
      ...volumes
        .filter((v, i) => v.shape.length > 0 && (i + 2) % 4 === kind)
        .map((v) => make(kind, v, true)),
    ]),
    reference: ({ a, b }: Arrays, c) => {
      const f = kinds[Number(c.attributes.kind)]!.f;
      return { y: Float64Array.from(a!, (value, i) => f(value, b![b!.length === 1 ? 0 : i]!)) };
    },
  },
] satisfies FamilyCases;
