import {
  away,
  elements,
  range,
  uniform,
  type Arrays,
  type FamilyCases,
  type Numbers,
  type OpCase,
  type Range,
} from './cases.js';
import { at4, extent, type Pair, type Sides } from './geometry.js';

interface Local {
  name: string;
  x: readonly [number, number, number, number];
  y: readonly [number, number, number, number];
  w: readonly number[];
  attributes: Record<string, number>;
  bias: boolean;
  accumulate: boolean;
  from?: Range | undefined;
  to?: Range | undefined;
}

interface Options {
  stride?: Pair;
  padding?: Sides;
  fit?: 'crop' | 'pad';
  bias?: boolean;
  accumulate?: boolean;
  from?: Range;
  to?: Range;
  note?: string;
}

function local(
  x: readonly [number, number, number, number],
  [R, S]: Pair,
  K: number,
  options: Options = {},
): Local {
  const { stride = [1, 1], padding = [0, 0, 0, 0], fit = 'crop', note } = options;
  const { bias = true, accumulate = false, from, to } = options;
  const [n, h, v, c] = x;
  const [top, left, bottom, right] = padding;
  const text = [
    `${x.join('x')} by ${K} of ${R}x${S}`,
    options.stride && `stride ${stride.join('x')}`,
    options.padding && `padding ${padding.join(',')}`,
    fit === 'pad' && 'fit pad',
    note,
  ];
  const [P, Q] = [
    extent(h, R, stride[0], top, bottom, fit),
    extent(v, S, stride[1], left, right, fit),
  ];
  return {
    name: text.filter(Boolean).join(' '),
    x,
    y: [n, P, Q, K],
    w: [P, Q, R * S * c, K],
    attributes: {
      sizeH: R,
      sizeW: S,
      strideH: stride[0],
      strideW: stride[1],
      padTop: top,
      padLeft: left,
      padBottom: bottom,
      padRight: right,
    },
    bias,
    accumulate,
    from,
    to,
  };
}

const locals: readonly Local[] = [
  local([2, 5, 5, 3], [3, 3], 4),
  local([1, 1, 1, 1], [1, 1], 1),
  local([3, 1, 1, 5], [1, 1], 7, { note: 'one pixel' }),
  local([2, 5, 7, 1], [5, 7], 3, { note: 'filter as large as the volume' }),
  local([4, 6, 5, 4], [3, 2], 16, { note: 'a whole tile of images' }),
  local([5, 4, 4, 8], [3, 3], 32, { note: 'an image beyond the tile' }),
  local([7, 3, 4, 6], [2, 2], 33, { bias: false, note: 'two vectors and a part' }),
  local([9, 2, 3, 16], [2, 3], 20, { note: 'whole packets' }),
  local([3, 3, 3, 17], [2, 2], 67, { note: 'primes' }),
  local([1, 9, 7, 2], [1, 1], 5, { stride: [2, 3], note: 'a pixel of every window' }),
  local([2, 6, 5, 5], [3, 3], 9, { padding: [1, 1, 1, 1] }),
  local([1, 13, 11, 3], [3, 5], 2, { stride: [2, 3], note: 'primes' }),
  local([2, 11, 13, 5], [5, 3], 7, { stride: [3, 2], padding: [2, 1, 2, 1] }),
  local([2, 8, 7, 3], [2, 2], 4, { stride: [3, 3], note: 'gaps between windows' }),
  local([1, 8, 8, 3], [3, 3], 4, { stride: [2, 2], note: 'crop leaves a row' }),
  local([2, 8, 8, 3], [3, 3], 4, { stride: [2, 2], fit: 'pad' }),
  local([1, 7, 9, 4], [3, 3], 8, {
    stride: [2, 2],
    padding: [0, 1, 2, 1],
    bias: false,
    note: 'asymmetric',
  }),
  local([1, 4, 4, 2], [2, 2], 3, { padding: [3, 4, 2, 5], note: 'windows in the padding alone' }),
  local([2, 5, 4, 3], [3, 3], 4, { from: range(7, 2), note: 'input is a range' }),
  local([2, 5, 4, 4], [3, 3], 4, { to: range(9, 3), note: 'output is a range' }),
  local([3, 4, 5, 8], [2, 2], 16, {
    from: range(16, 8),
    to: range(20, 4),
    note: 'both are ranges',
  }),
  local([2, 4, 4, 3], [3, 3], 5, { accumulate: true, padding: [1, 1, 1, 1], note: 'added' }),
  local([5, 4, 3, 4], [2, 2], 8, {
    accumulate: true,
    from: range(12, 4),
    to: range(12, 4),
    note: 'added to a range',
  }),
];

const volume = (
  shape: readonly number[],
  place: Range | undefined,
  put?: Record<number, number>,
) => ({
  shape,
  fill: uniform(-1, 1, put),
  ...place,
});
const add = (g: Local) => (g.accumulate ? { accumulate: true as const } : {});

const forward = (g: Local, put?: Record<number, number>): OpCase => ({
  name: g.name,
  attributes: g.attributes,
  inputs: {
    x: volume(g.x, g.from, put),
    w: { shape: g.w, fill: uniform(-1, 1) },
    ...(g.bias && { b: { shape: g.y.slice(1), fill: away() } }),
  },
  outputs: { y: { shape: g.y, ...g.to, ...add(g) } },
});

const backwardData = (g: Local): OpCase => ({
  name: g.name,
  attributes: g.attributes,
  inputs: { dy: volume(g.y, g.to), w: { shape: g.w, fill: uniform(-1, 1) } },
  outputs: { dx: { shape: g.x, ...g.from, ...add(g) } },
});

const backwardFilter = (g: Local, which = { dw: true, db: g.bias }): OpCase => ({
  name:
    g.name + (which.dw && which.db === g.bias ? '' : which.dw ? ' filters alone' : ' bias alone'),
  attributes: g.attributes,
  inputs: { x: volume(g.x, g.from), dy: volume(g.y, g.to) },
  outputs: {
    ...(which.dw && { dw: { shape: g.w, ...add(g) } }),
    ...(which.db && { db: { shape: g.y.slice(1), ...add(g) } }),
  },
});

/**
 * The layer as one sparse matrix from all of x to all of y, unlike the kernels' windows: calls
 * f(x index, w index, y index) for each pair of a pixel and an output that meet.
 */
function entries(
  x: readonly number[],
  y: readonly number[],
  a: OpCase['attributes'],
  f: (i: number, j: number, k: number) => void,
): void {
  const [N, H, W, C] = x as [number, number, number, number];
  const [, P, Q, K] = y as [number, number, number, number];
  const [R, S] = [Number(a.sizeH), Number(a.sizeW)];
  for (let h = 0; h < H; ++h)
    for (let v = 0; v < W; ++v)
      for (let p = 0; p < P; ++p)
        for (let q = 0; q < Q; ++q) {
          const r = h + Number(a.padTop) - p * Number(a.strideH);
          const s = v + Number(a.padLeft) - q * Number(a.strideW);
          if (r < 0 || r >= R || s < 0 || s >= S) continue;
          for (let c = 0; c < C; ++c)
            for (let k = 0; k < K; ++k) {
              const j = (((p * Q + q) * R + r) * S + s) * C * K + c * K + k;
              for (let n = 0; n < N; ++n) f(at4(x)(n, h, v, c), j, at4(y)(n, p, q, k));
            }
        }
}

const biasSums = (dy: Numbers, shape: readonly number[]): Float64Array => {
  const db = new Float64Array(elements(shape.slice(1)));
  for (let i = 0; i < dy.length; ++i) db[i % db.length]! += dy[i]!;
  return db;
};

const small = locals[0]!;

export default [
  {
    op: 'locallyConnected2d',
    cases: [
      ...locals.map((g) => forward(g)),
      {
        ...forward(small, { 0: NaN, 40: Infinity }),
        name: `${small.name} NaN passes on`,
        noGradient: 'not finite',
      },
    ],
    reference: ({ x, w, b }: Arrays, c) => {
      const { shape } = c.outputs.y!;
      const y = new Float64Array(elements(shape));
      if (b) y.forEach((_, i) => (y[i] = b[i % b.length]!));
      entries(c.inputs.x!.shape, shape, c.attributes, (i, j, k) => (y[k]! += x![i]! * w![j]!));
      return { y };
    },
  },
  {
    op: 'locallyConnected2dBackwardData',
    cases: locals.map(backwardData),
    reference: ({ dy, w }: Arrays, c) => {
      const { shape } = c.outputs.dx!;
      const dx = new Float64Array(elements(shape));
      entries(shape, c.inputs.dy!.shape, c.attributes, (i, j, k) => (dx[i]! += w![j]! * dy![k]!));
      return { dx };
    },
  },
  {
    op: 'locallyConnected2dBackwardFilter',
    cases: [
      ...locals.map((g) => backwardFilter(g)),
      backwardFilter(small, { dw: true, db: false }),
      backwardFilter(small, { dw: false, db: true }),
    ],
    reference: ({ x, dy }: Arrays, c) => {
      const { shape } = c.inputs.dy!;
      const { sizeH, sizeW } = c.attributes;
      const [, , , C] = c.inputs.x!.shape;
      const dw = new Float64Array(
        shape[1]! * shape[2]! * Number(sizeH) * Number(sizeW) * C! * shape[3]!,
      );
      entries(c.inputs.x!.shape, shape, c.attributes, (i, j, k) => (dw[j]! += x![i]! * dy![k]!));
      return { ...(c.outputs.dw && { dw }), ...(c.outputs.db && { db: biasSums(dy!, shape) }) };
    },
  },
] satisfies FamilyCases;
