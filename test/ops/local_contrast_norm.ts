import {
  away,
  f32,
  range,
  uniform,
  type Arrays,
  type FamilyCases,
  type Numbers,
  type OpCase,
  type Range,
  type Recipe,
} from './cases.js';
import { at4 } from './geometry.js';

type Shape = readonly [number, number, number, number];

interface Norm {
  name: string;
  /** [n, h, w, c] */
  x: Shape;
  attributes: { size: number; scale: number; beta: number; k: number };
  fill: Recipe;
  from?: Range | undefined;
  to?: Range | undefined;
  accumulate?: true | undefined;
  noGradient?: string | undefined;
}

interface Options {
  alpha?: number;
  beta?: number;
  k?: number;
  /** alpha as it is; else it is divided by the window's values. */
  whole?: boolean;
  fill?: Recipe;
  from?: Range;
  to?: Range;
  accumulate?: true;
  noGradient?: string;
  note?: string;
}

/** alpha of 1 unless given, so that the sums weigh. */
function norm(x: Shape, size: number, options: Options = {}): Norm {
  const { alpha = 1, beta = 0.75, k = 1, whole = false, note, fill = away(), ...rest } = options;
  return {
    name: [x.join('x'), `window ${size}`, note].filter(Boolean).join(' '),
    x,
    attributes: {
      size,
      scale: f32(whole ? alpha : alpha / (size * size)),
      beta: f32(beta),
      k: f32(k),
    },
    fill,
    ...rest,
  };
}

const odd = uniform(-1, 1, { 5: NaN, 40: Infinity, 77: -Infinity });

const norms: readonly Norm[] = [
  norm([1, 1, 1, 1], 3, { note: 'one pixel' }),
  norm([2, 1, 1, 7], 5, { note: 'one pixel' }),
  norm([2, 3, 3, 7], 5, { note: 'wider than half the plane' }),
  norm([1, 7, 5, 3], 3),
  norm([1, 13, 11, 5], 3, { whole: true, alpha: 0.3, note: 'alpha not divided' }),
  norm([2, 4, 5, 16], 1, { note: 'no neighbours' }),
  norm([2, 5, 7, 16], 2, { note: 'even' }),
  norm([1, 6, 7, 17], 4, { note: 'even' }),
  norm([1, 4, 3, 33], 9, { note: 'wider than the plane' }),
  norm([1, 9, 1, 4], 5, { note: 'one column' }),
  norm([1, 1, 11, 4], 5, { note: 'one row' }),
  norm([1, 9, 7, 8], 7, { beta: 0.5, k: 2, note: 'beta 0.5, k 2' }),
  norm([2, 17, 19, 8], 3, { beta: 1, k: 0.25, note: 'beta 1, k 0.25' }),
  norm([1, 8, 9, 24], 5, { alpha: 1e-3, note: 'a small alpha' }),
  norm([1, 4, 4, 8], 5, { alpha: 0, note: 'alpha 0' }),
  norm([1, 6, 5, 10], 3, { fill: away(5, 100), beta: 1.3, note: 'large, beta 1.3' }),
  norm([2, 6, 5, 3], 3, { fill: uniform(7, 9), note: 'off zero' }),
  norm([2, 31, 29, 12], 3, { note: 'several pieces' }),
  norm([1, 9, 8, 4], 3, { fill: odd, noGradient: 'not finite', note: 'NaN' }),
  norm([2, 4, 5, 3], 3, { from: range(8, 5), note: 'input is a range' }),
  norm([2, 4, 5, 16], 3, { to: range(33, 16), note: 'output is a range' }),
  norm([1, 5, 6, 5], 3, { from: range(8, 3), to: range(7, 0), note: 'both are ranges' }),
  norm([2, 4, 5, 6], 3, { accumulate: true, note: 'added' }),
  norm([1, 5, 4, 5], 3, {
    accumulate: true,
    from: range(9, 2),
    to: range(8, 1),
    note: 'added to a range',
  }),
];

/** Calls f(i, j, values) for each element i of the window of each element j; values are those of the window. */
function walk(
  x: Shape,
  a: OpCase['attributes'],
  f: (i: number, j: number, values: number) => void,
): void {
  const [N, H, W, C] = x;
  const at = at4(x);
  const size = Number(a.size);
  const inside = (i: number, extent: number): number[] =>
    Array.from(
      { length: Math.min(size, 2 * extent + 2) },
      (_, k) => i - Math.floor(size / 2) + k,
    ).filter((k) => k >= 0 && k < extent);
  for (let n = 0; n < N; ++n)
    for (let h = 0; h < H; ++h)
      for (let w = 0; w < W; ++w) {
        const [rows, columns] = [inside(h, H), inside(w, W)];
        for (const p of rows)
          for (const q of columns)
            for (let c = 0; c < C; ++c)
              f(at(n, p, q, c), at(n, h, w, c), rows.length * columns.length);
      }
}

/** x without the means, and the bases of the powers. */
function parts(x: Numbers, c: OpCase) {
  const shape = c.inputs.x!.shape as Shape;
  const d = Float64Array.from(x);
  walk(shape, c.attributes, (i, j, values) => (d[j]! -= x[i]! / values));
  const s = new Float64Array(x.length).fill(Number(c.attributes.k));
  walk(shape, c.attributes, (i, j) => (s[j]! += Number(c.attributes.scale) * d[i]! ** 2));
  return { d, s };
}

const forward = (n: Norm): OpCase => ({
  name: n.name,
  attributes: n.attributes,
  inputs: { x: { shape: n.x, fill: n.fill, ...n.from } },
  outputs: { y: { shape: n.x, ...n.to, ...(n.accumulate && { accumulate: true }) } },
  noTorch: 'PyTorch has no such layer',
  ...(n.noGradient !== undefined && { noGradient: n.noGradient }),
});

const backward = (n: Norm): OpCase => ({
  name: n.name,
  attributes: n.attributes,
  inputs: {
    x: { shape: n.x, fill: n.fill, ...n.from },
    dy: { shape: n.x, fill: uniform(-1, 1), ...n.to },
  },
  outputs: { dx: { shape: n.x, ...n.from, ...(n.accumulate && { accumulate: true }) } },
  noTorch: 'PyTorch has no such layer',
});

export default [
  {
    op: 'localContrastNorm',
    cases: norms.map(forward),
    reference: ({ x }: Arrays, c) => ({
      y: parts(x!, c).s.map((s, i) => x![i]! / s ** Number(c.attributes.beta)),
    }),
  },
  {
    op: 'localContrastNormBackward',
    cases: norms.filter((n) => n.noGradient === undefined).map(backward),
    // By scattering backwards through each step of the forward pass.
    reference: ({ x, dy }: Arrays, c) => {
      const shape = c.inputs.x!.shape as Shape;
      const [scale, beta] = [Number(c.attributes.scale), Number(c.attributes.beta)];
      const { d, s } = parts(x!, c);
      const dx = Float64Array.from(dy!, (g, i) => g / s[i]! ** beta);
      const byBase = s.map((base, j) => (-beta * dy![j]! * x![j]!) / base ** (beta + 1));
      const byDistance = new Float64Array(dx.length);
      walk(shape, c.attributes, (i, j) => (byDistance[i]! += byBase[j]! * scale * 2 * d[i]!));
      byDistance.forEach((g, i) => (dx[i]! += g));
      walk(shape, c.attributes, (i, j, values) => (dx[i]! -= byDistance[j]! / values));
      return { dx };
    },
  },
] satisfies FamilyCases;
