import { away, uniform, type Arrays, type FamilyCases, type OpCase, type Recipe } from './cases.js';
import { volumes, type Volume } from './volumes.js';

// In the order of the attribute `kind`. `abs` keeps away from its kink, `sqrt` and `log` are positive.
const kinds: readonly {
  name: string;
  fill: Recipe;
  f(x: number): number;
  slope(x: number, y: number): number;
}[] = [
  { name: 'neg', fill: uniform(-2, 2), f: (x) => -x, slope: () => -1 },
  { name: 'square', fill: uniform(-2, 2), f: (x) => x * x, slope: (x) => 2 * x },
  { name: 'sqrt', fill: uniform(0.2, 3), f: Math.sqrt, slope: (_, y) => 0.5 / y },
  { name: 'exp', fill: uniform(-2, 2), f: Math.exp, slope: (_, y) => y },
  { name: 'log', fill: uniform(0.2, 3), f: Math.log, slope: (x) => 1 / x },
  { name: 'abs', fill: away(), f: Math.abs, slope: Math.sign },
];
const of = (c: OpCase) => kinds[Number(c.attributes.kind)]!;

const forward = (kind: number, v: Volume): OpCase => ({
  name: `${kinds[kind]!.name} ${v.name}`,
  attributes: { kind },
  inputs: { x: { shape: v.shape, fill: kinds[kind]!.fill, ...v.from } },
  outputs: { y: { shape: v.shape, ...v.to } },
});

const backward = (kind: number, v: Volume): OpCase => ({
  name: `${kinds[kind]!.name} ${v.name}`,
  attributes: { kind },
  inputs: {
    x: { shape: v.shape, fill: kinds[kind]!.fill, ...v.from },
    y: { shape: v.shape, fill: ({ x }) => Float64Array.from(x!, kinds[kind]!.f), ...v.from },
    dy: { shape: v.shape, fill: uniform(-1, 1) },
  },
  outputs: { dx: { shape: v.shape, ...v.to, ...(v.accumulate && { accumulate: true }) } },
});

// Every kind meets a pixel, odd channels, a channel range and an addition; the other volumes take turns.
const always = new Set(['2x3x5x17', '1x5x3x17 both are ranges', '2x5x3x3 added']);
const table = (make: (kind: number, v: Volume) => OpCase, among: readonly Volume[]): OpCase[] => [
  ...kinds.flatMap((_, kind) => among.filter((v) => always.has(v.name)).map((v) => make(kind, v))),
  ...among.filter((v) => !always.has(v.name)).map((v, i) => make(i % kinds.length, v)),
];

export default [
  {
    op: 'unary',
    cases: table(
      forward,
      volumes.filter((v) => !v.accumulate),
    ),
    reference: ({ x }: Arrays, c) => ({ y: Float64Array.from(x!, of(c).f) }),
  },
  {
    op: 'unaryBackward',
    cases: table(backward, volumes),
    reference: ({ x, y, dy }: Arrays, c) => ({
      dx: Float64Array.from(dy!, (g, i) => g * of(c).slope(x![i]!, y![i]!)),
    }),
  },
] satisfies FamilyCases;
