import {
  away,
  elements,
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
  attributes: { size: number; region: number; scale: number; beta: number; k: number };
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
  /** The paper's alpha; else it is divided by the window's values. */
  whole?: boolean;
  fill?: Recipe;
  from?: Range;
  to?: Range;
  accumulate?: true;
  noGradient?: string;
  note?: string;
}

/** alpha of 1 unless given, so that the sums weigh. */
function norm(region: 'across' | 'within', x: Shape, size: number, options: Options = {}): Norm {
  const { alpha = 1, beta = 0.75, k = 1, whole = false, note, fill = away(), ...rest } = options;
  const values = region === 'within' ? size * size : size;
  return {
    name: [region, x.join('x'), `window ${size}`, note].filter(Boolean).join(' '),
    x,
    attributes: {
      size,
      region: region === 'within' ? 1 : 0,
      scale: f32(whole ? alpha : alpha / values),
      beta: f32(beta),
      k: f32(k),
    },
    fill,
    ...rest,
  };
}

const paper = { alpha: 1e-4, k: 2, whole: true };
const odd = uniform(-1, 1, { 5: NaN, 40: Infinity, 77: -Infinity });

const norms: readonly Norm[] = [
  norm('across', [1, 1, 1, 1], 5),
  norm('across', [2, 7, 3, 3], 5, { note: 'fewer channels than values' }),
  norm('across', [1, 1, 1, 7], 3),
  norm('across', [2, 3, 3, 7], 5, { note: "Caffe's test volume" }),
  norm('across', [2, 3, 3, 7], 15, { note: "Caffe's large region" }),
  norm('across', [2, 3, 3, 7], 5, { alpha: 1e-4, note: "Caffe's defaults" }),
  norm('across', [2, 4, 5, 16], 1),
  norm('across', [1, 3, 5, 16], 2, { note: 'even' }),
  norm('across', [1, 3, 5, 17], 4, { note: 'even' }),
  norm('across', [1, 5, 3, 33], 8, { note: 'even' }),
  norm('across', [2, 5, 4, 24], 5, { ...paper, note: "the paper's" }),
  norm('across', [1, 5, 4, 96], 5, { note: 'AlexNet' }),
  norm('across', [1, 2, 3, 257], 9),
  norm('across', [1, 2, 3, 20], 31, { note: 'wider than the channels' }),
  norm('across', [2, 3, 4, 12], 5, { beta: 0.5, note: 'beta 0.5' }),
  norm('across', [2, 3, 4, 12], 3, { beta: 1, k: 0.25, note: 'beta 1, k 0.25' }),
  norm('across', [1, 4, 4, 8], 5, { alpha: 0, note: 'alpha 0' }),
  norm('across', [1, 4, 3, 10], 5, { fill: away(5, 100), beta: 1.3, note: 'large, beta 1.3' }),
  norm('across', [2, 4, 5, 3], 3, { from: range(8, 5), note: 'input is a range' }),
  norm('across', [2, 4, 5, 16], 5, { to: range(33, 16), note: 'output is a range' }),
  norm('across', [1, 5, 3, 18], 5, {
    from: range(20, 2),
    to: range(24, 4),
    note: 'both are ranges',
  }),
  norm('across', [2, 23, 29, 40], 5, { note: 'several pieces' }),
  norm('across', [2, 3, 4, 11], 5, { fill: odd, noGradient: 'not finite', note: 'NaN' }),
  norm('across', [2, 3, 3, 12], 5, { accumulate: true, note: 'added' }),
  norm('across', [2, 3, 3, 6], 3, {
    accumulate: true,
    from: range(9, 2),
    to: range(8, 1),
    note: 'added to a range',
  }),
  norm('within', [1, 1, 1, 1], 3),
  norm('within', [2, 3, 3, 7], 5, { note: "Caffe's test volume" }),
  norm('within', [1, 7, 5, 3], 3),
  norm('within', [1, 13, 11, 5], 3, { whole: true, alpha: 0.3, note: 'alpha not divided' }),
  norm('within', [2, 5, 7, 16], 2, { note: 'even' }),
  norm('within', [1, 6, 7, 17], 4, { note: 'even' }),
  norm('within', [1, 4, 3, 33], 9, { note: 'wider than the plane' }),
  norm('within', [1, 9, 1, 4], 5, { note: 'one column' }),
  norm('within', [2, 17, 19, 8], 3, { beta: 0.5, k: 2, note: 'beta 0.5, k 2' }),
  norm('within', [2, 31, 29, 12], 3, { note: 'several pieces' }),
  norm('within', [1, 6, 5, 4], 3, { fill: odd, noGradient: 'not finite', note: 'NaN' }),
  norm('within', [1, 5, 6, 5], 3, {
    from: range(8, 3),
    to: range(7, 0),
    note: 'both are ranges',
  }),
  norm('within', [2, 4, 5, 6], 3, { accumulate: true, note: 'added' }),
];

/** The first and the last index of the window at `i`, cut at the borders. */
const window = (i: number, size: number, extent: number): [number, number] => [
  Math.max(0, i - Math.floor(size / 2)),
  Math.min(extent - 1, i - Math.floor(size / 2) + size - 1),
];

/** Calls f(i, j) for each element i of the window of each element j. */
function walk(x: Shape, a: OpCase['attributes'], f: (i: number, j: number) => void): void {
  const [N, H, W, C] = x;
  const at = at4(x);
  const size = Number(a.size);
  const within = Number(a.region) === 1;
  for (let n = 0; n < N; ++n)
    for (let h = 0; h < H; ++h)
      for (let w = 0; w < W; ++w)
        for (let c = 0; c < C; ++c) {
          const [h0, h1] = within ? window(h, size, H) : [h, h];
          const [w0, w1] = within ? window(w, size, W) : [w, w];
          const [c0, c1] = within ? [c, c] : window(c, size, C);
          for (let p = h0; p <= h1; ++p)
            for (let q = w0; q <= w1; ++q)
              for (let k = c0; k <= c1; ++k) f(at(n, p, q, k), at(n, h, w, c));
        }
}

function bases(x: Numbers, c: OpCase): Float64Array {
  const s = new Float64Array(x.length).fill(Number(c.attributes.k));
  const shape = c.inputs.x!.shape as Shape;
  walk(shape, c.attributes, (i, j) => (s[j]! += Number(c.attributes.scale) * x[i]! ** 2));
  return s;
}

const torch = ({ attributes }: Norm) => ({
  ...(attributes.region === 1 && { noTorch: 'PyTorch has windows across channels only' }),
});

const forward = (n: Norm): OpCase => ({
  name: n.name,
  attributes: n.attributes,
  inputs: { x: { shape: n.x, fill: n.fill, ...n.from } },
  outputs: { y: { shape: n.x, ...n.to, ...(n.accumulate && { accumulate: true }) } },
  ...torch(n),
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
  ...torch(n),
});

export default [
  {
    op: 'localResponseNorm',
    cases: norms.map(forward),
    reference: ({ x }: Arrays, c) => ({
      y: bases(x!, c).map((s, i) => x![i]! / s ** Number(c.attributes.beta)),
    }),
  },
  {
    op: 'localResponseNormBackward',
    // Where x is infinite, s^(-beta - 1) x is a matter of the order of multiplications.
    cases: norms.filter((n) => n.noGradient === undefined).map(backward),
    // By scattering: element j adds to the gradient of each element of its window.
    reference: ({ x, dy }: Arrays, c) => {
      const [scale, beta] = [Number(c.attributes.scale), Number(c.attributes.beta)];
      const s = bases(x!, c);
      const dx = new Float64Array(elements(c.inputs.x!.shape));
      for (let i = 0; i < dx.length; ++i) dx[i] = dy![i]! / s[i]! ** beta;
      walk(c.inputs.x!.shape as Shape, c.attributes, (i, j) => {
        const byBase = (-beta * dy![j]! * x![j]!) / s[j]! ** (beta + 1);
        dx[i]! += byBase * scale * 2 * x![i]!;
      });
      return { dx };
    },
  },
] satisfies FamilyCases;
