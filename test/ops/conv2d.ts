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

export interface Convolution {
  name: string;
  x: readonly number[];
  w: readonly number[];
  y: readonly number[];
  attributes: Record<string, number>;
  from?: Range | undefined;
  to?: Range | undefined;
  bias: boolean;
  accumulate: boolean;
  activation: boolean;
  values?: readonly [number, number] | undefined;
}

interface Options {
  stride?: Pair;
  padding?: Sides;
  dilation?: Pair;
  groups?: number;
  fit?: 'crop' | 'pad';
  bias?: boolean;
  activation?: boolean;
  accumulate?: boolean;
  from?: Range;
  to?: Range;
  /** What images and gradients are drawn from; default -1 to 1. */
  values?: readonly [number, number];
  note?: string;
}

export function convolution(
  x: readonly [number, number, number, number],
  [R, S]: Pair,
  K: number,
  options: Options = {},
): Convolution {
  const {
    stride = [1, 1],
    padding = [0, 0, 0, 0],
    dilation = [1, 1],
    groups = 1,
    fit = 'crop',
  } = options;
  const { bias = true, activation = false, accumulate = false, from, to, values, note } = options;
  const [n, h, w, c] = x;
  const [top, left, bottom, right] = padding;
  const text = [
    `${x.join('x')} by ${K} of ${R}x${S}`,
    options.stride && `stride ${stride.join('x')}`,
    options.padding && `padding ${padding.join(',')}`,
    options.dilation && `dilation ${dilation.join('x')}`,
    groups > 1 && `groups ${groups}`,
    fit === 'pad' && 'fit pad',
    note,
  ];
  return {
    name: text.filter(Boolean).join(' '),
    x,
    w: [R, S, c / groups, K],
    y: [
      n,
      extent(h, dilation[0] * (R - 1) + 1, stride[0], top, bottom, fit),
      extent(w, dilation[1] * (S - 1) + 1, stride[1], left, right, fit),
      K,
    ],
    attributes: {
      strideH: stride[0],
      strideW: stride[1],
      padTop: top,
      padLeft: left,
      padBottom: bottom,
      padRight: right,
      dilationH: dilation[0],
      dilationW: dilation[1],
      groups,
      activation: 0,
    },
    from,
    to,
    bias,
    accumulate,
    activation,
    values,
  };
}

export const convolutions: readonly Convolution[] = [
  convolution([2, 6, 6, 3], [3, 3], 4),
  convolution([1, 1, 1, 1], [1, 1], 1),
  convolution([3, 1, 1, 5], [1, 1], 7, { note: 'one pixel' }),
  convolution([2, 5, 7, 1], [5, 7], 3, { note: 'filter as large as the volume' }),
  convolution([2, 12, 12, 1], [5, 5], 20, { note: 'LeNet 1' }),
  convolution([2, 12, 12, 20], [5, 5], 50, { note: 'LeNet 2, depth 500' }),
  convolution([64, 1, 1, 50], [1, 1], 10, { note: 'dense' }),
  convolution([5, 1, 1, 803], [1, 1], 37, { note: 'dense, primes' }),
  convolution([1, 1, 1, 67], [1, 1], 129, { bias: false, note: 'dense, one row' }),
  convolution([2, 9, 7, 17], [1, 1], 33, { note: 'straight to the product' }),
  convolution([1, 3, 2, 1030], [1, 1], 70, { note: 'many channels' }),
  convolution([2, 7, 5, 16], [1, 1], 8, { stride: [2, 3], note: 'a pixel of every window' }),
  convolution([1, 4, 3, 2], [1, 1], 3, { padding: [1, 2, 1, 0] }),
  convolution([1, 6, 5, 16], [3, 3], 17, { padding: [1, 1, 1, 1] }),
  convolution([2, 8, 9, 33], [3, 3], 31, { padding: [1, 1, 1, 1], bias: false, note: 'depth 297' }),
  convolution([1, 13, 11, 3], [3, 5], 2, { stride: [2, 3], note: 'primes' }),
  convolution([1, 11, 13, 5], [5, 3], 7, { stride: [3, 2], padding: [2, 1, 2, 1], note: 'primes' }),
  convolution([1, 23, 23, 3], [7, 7], 8, {
    stride: [2, 2],
    padding: [3, 3, 3, 3],
    note: 'ResNet 1',
  }),
  convolution([1, 27, 27, 3], [11, 11], 6, { stride: [4, 4], note: 'AlexNet 1' }),
  convolution([2, 8, 7, 3], [2, 2], 4, { stride: [3, 3], note: 'gaps between windows' }),
  convolution([1, 14, 11, 2], [2, 1], 3, { stride: [5, 4], note: 'gaps between windows' }),
  convolution([2, 8, 8, 3], [3, 3], 4, { stride: [2, 2], note: 'crop leaves a row' }),
  convolution([2, 8, 8, 3], [3, 3], 4, { stride: [2, 2], fit: 'pad' }),
  convolution([1, 9, 7, 2], [4, 3], 5, { stride: [3, 3], padding: [1, 0, 0, 1], fit: 'pad' }),
  convolution([1, 7, 9, 3], [3, 3], 4, {
    stride: [2, 2],
    padding: [0, 1, 2, 1],
    note: 'asymmetric',
  }),
  convolution([1, 5, 4, 2], [4, 2], 3, { padding: [2, 0, 1, 1], note: 'same with an even filter' }),
  convolution([1, 4, 4, 2], [2, 2], 3, {
    padding: [3, 4, 2, 5],
    note: 'windows in the padding alone',
  }),
  convolution([1, 9, 10, 3], [3, 3], 4, { dilation: [2, 3] }),
  convolution([1, 9, 10, 3], [3, 2], 4, { dilation: [2, 3], padding: [2, 3, 2, 0] }),
  convolution([2, 11, 12, 4], [3, 3], 5, {
    dilation: [2, 2],
    stride: [2, 3],
    padding: [2, 1, 1, 2],
  }),
  convolution([1, 16, 13, 2], [3, 3], 3, {
    dilation: [3, 2],
    stride: [3, 4],
    padding: [3, 2, 3, 2],
  }),
  convolution([1, 12, 10, 3], [3, 2], 2, {
    dilation: [4, 6],
    stride: [6, 4],
    padding: [2, 1, 2, 3],
    fit: 'pad',
  }),
  convolution([2, 6, 5, 6], [3, 3], 4, { groups: 2, padding: [1, 1, 1, 1] }),
  convolution([1, 7, 6, 9], [3, 2], 15, { groups: 3, stride: [2, 1] }),
  convolution([2, 3, 4, 34], [1, 1], 66, { groups: 2 }),
  convolution([2, 7, 6, 5], [3, 3], 5, { groups: 5, padding: [1, 1, 1, 1], note: 'depthwise' }),
  convolution([1, 9, 8, 33], [3, 3], 33, {
    groups: 33,
    stride: [2, 2],
    padding: [1, 1, 1, 1],
    note: 'depthwise',
  }),
  convolution([1, 8, 9, 17], [3, 5], 17, {
    groups: 17,
    dilation: [2, 1],
    padding: [2, 2, 2, 2],
    note: 'depthwise',
  }),
  convolution([1, 6, 6, 4], [3, 3], 8, { groups: 4, note: 'two filters a channel' }),
  convolution([1, 19, 21, 48], [3, 3], 65, {
    padding: [1, 1, 1, 1],
    note: 'depth 432, last partial tiles',
  }),
  convolution([4, 17, 13, 5], [3, 3], 97, { padding: [1, 1, 1, 1], note: 'many positions' }),
  convolution([2, 5, 6, 3], [3, 3], 4, { from: range(8, 5), note: 'input is a range' }),
  convolution([2, 5, 6, 16], [3, 3], 16, {
    to: range(40, 8),
    padding: [1, 1, 1, 1],
    note: 'output is a range',
  }),
  convolution([2, 4, 5, 16], [1, 1], 17, {
    from: range(32, 16),
    to: range(19, 2),
    note: 'both are ranges',
  }),
  convolution([1, 6, 7, 6], [3, 3], 6, {
    from: range(9, 3),
    to: range(7, 0),
    groups: 6,
    note: 'depthwise ranges',
  }),
  convolution([1, 6, 7, 4], [3, 3], 8, {
    from: range(9, 3),
    to: range(11, 1),
    groups: 2,
    note: 'groups of ranges',
  }),
  convolution([2, 6, 5, 3], [3, 3], 7, { accumulate: true, note: 'added' }),
  convolution([2, 7, 6, 4], [3, 2], 5, { accumulate: true, stride: [2, 3], note: 'gaps, added' }),
  convolution([2, 4, 4, 8], [1, 1], 9, {
    accumulate: true,
    from: range(11, 2),
    to: range(12, 3),
    note: 'added to a range',
  }),
  convolution([2, 6, 5, 5], [3, 3], 5, { accumulate: true, groups: 5, note: 'depthwise, added' }),
  convolution([1, 7, 7, 3], [3, 3], 33, { activation: true, note: 'with relu' }),
  convolution([2, 3, 3, 17], [1, 1], 20, { activation: true, note: 'with relu' }),
  convolution([1, 6, 6, 4], [3, 3], 4, {
    activation: true,
    groups: 4,
    note: 'depthwise with relu',
  }),
];

const filters = (g: Convolution) => ({ shape: g.w, fill: uniform(-1, 1) });
const volume = (
  shape: readonly number[],
  place: Range | undefined,
  [low, high]: readonly [number, number] = [-1, 1],
) => ({ shape, fill: uniform(low, high), ...place });
const add = (g: Convolution) => (g.accumulate ? { accumulate: true as const } : {});

const forward = (g: Convolution): OpCase => ({
  name: g.name,
  attributes: { ...g.attributes, activation: g.activation ? 1 : 0 },
  inputs: {
    x: volume(g.x, g.from, g.values),
    w: filters(g),
    ...(g.bias && { b: { shape: [g.y[3]!], fill: away() } }),
  },
  outputs: { y: { shape: g.y, ...g.to } },
});

const backwardData = (g: Convolution): OpCase => ({
  name: g.name,
  attributes: g.attributes,
  inputs: { dy: volume(g.y, g.to, g.values), w: filters(g) },
  outputs: { dx: { shape: g.x, ...g.from, ...add(g) } },
});

const backwardFilter = (g: Convolution, which = { dw: true, db: g.bias }): OpCase => ({
  name:
    g.name + (which.dw && which.db === g.bias ? '' : which.dw ? ' filters alone' : ' bias alone'),
  attributes: g.attributes,
  inputs: {
    x: volume(g.x, g.from, g.values),
    dy: volume(g.y, g.to, g.values),
    ...(which.dw ? {} : { w: filters(g) }), // its size, for PyTorch
  },
  outputs: {
    ...(which.dw && { dw: { shape: g.w, ...add(g) } }),
    ...(which.db && { db: { shape: [g.y[3]!], ...add(g) } }),
  },
});

interface Sizes {
  x: readonly number[];
  w: readonly number[];
  y: readonly number[];
  a: OpCase['attributes'];
}

/** Calls f(x index, w index, y index) for every product of the direct form. */
function products({ x, w, y, a }: Sizes, f: (i: number, j: number, k: number) => void): void {
  const [N, P, Q, K] = y as [number, number, number, number];
  const [R, S, C] = w as [number, number, number];
  const perGroup = K / Number(a.groups);
  const [xAt, wAt, yAt] = [at4(x), at4(w), at4(y)];
  for (let n = 0; n < N; ++n)
    for (let p = 0; p < P; ++p)
      for (let q = 0; q < Q; ++q)
        for (let r = 0; r < R; ++r)
          for (let s = 0; s < S; ++s) {
            const h = p * Number(a.strideH) - Number(a.padTop) + r * Number(a.dilationH);
            const v = q * Number(a.strideW) - Number(a.padLeft) + s * Number(a.dilationW);
            if (h < 0 || h >= x[1]! || v < 0 || v >= x[2]!) continue;
            for (let c = 0; c < C; ++c)
              for (let k = 0; k < K; ++k)
                f(xAt(n, h, v, Math.floor(k / perGroup) * C + c), wAt(r, s, c, k), yAt(n, p, q, k));
          }
}

/**
 * The gradient by the input in its literal form: the gradient, with stride - 1 zeros between its
 * elements, is correlated with the spatially flipped filters, channels and filters exchanged.
 */
function flippedForm(dy: Numbers, w: Numbers, { x, w: wShape, y, a }: Sizes): Float64Array {
  const [N, P, Q, K] = y as [number, number, number, number];
  const [R, S, C] = wShape as [number, number, number];
  const [H, W, channels] = x.slice(1) as [number, number, number];
  const [strideH, strideW] = [Number(a.strideH), Number(a.strideW)];
  const [dilationH, dilationW] = [Number(a.dilationH), Number(a.dilationW)];
  const perGroup = K / Number(a.groups);

  const flipped = new Float64Array(elements(wShape)); // [R, S, K, C]
  for (let r = 0; r < R; ++r)
    for (let s = 0; s < S; ++s)
      for (let c = 0; c < C; ++c)
        for (let k = 0; k < K; ++k)
          flipped[((r * S + s) * K + k) * C + c] = w[at4(wShape)(R - 1 - r, S - 1 - s, c, k)]!;

  const spread = [N, (P - 1) * strideH + 1, (Q - 1) * strideW + 1, K];
  const inserted = new Float64Array(elements(spread));
  for (let n = 0; n < N; ++n)
    for (let p = 0; p < P; ++p)
      for (let q = 0; q < Q; ++q)
        for (let k = 0; k < K; ++k)
          inserted[at4(spread)(n, p * strideH, q * strideW, k)] = dy[at4(y)(n, p, q, k)]!;

  const dx = new Float64Array(elements(x));
  for (let n = 0; n < N; ++n)
    for (let h = 0; h < H; ++h)
      for (let v = 0; v < W; ++v)
        for (let r = 0; r < R; ++r)
          for (let s = 0; s < S; ++s) {
            const p = h + Number(a.padTop) - (R - 1) * dilationH + r * dilationH;
            const q = v + Number(a.padLeft) - (S - 1) * dilationW + s * dilationW;
            if (p < 0 || p >= spread[1]! || q < 0 || q >= spread[2]!) continue;
            for (let i = 0; i < channels; ++i) {
              const group = Math.floor(i / C);
              let sum = 0;
              for (let k = group * perGroup; k < (group + 1) * perGroup; ++k)
                sum +=
                  inserted[at4(spread)(n, p, q, k)]! *
                  flipped[((r * S + s) * K + k) * C + (i % C)]!;
              dx[((n * H + h) * W + v) * channels + i]! += sum;
            }
          }
  return dx;
}

const plain = convolutions.filter((g) => !g.activation);

/** The three ops' cases of convolutions, for algorithms that take some convolutions only. */
export const casesOf = (given: readonly Convolution[]): Record<string, readonly OpCase[]> => ({
  conv2d: given.filter((g) => !g.accumulate).map(forward),
  conv2dBackwardData: given.filter((g) => !g.activation).map(backwardData),
  conv2dBackwardFilter: given.filter((g) => !g.activation).map((g) => backwardFilter(g)),
});

export default [
  {
    op: 'conv2d',
    cases: convolutions.filter((g) => !g.accumulate).map(forward),
    reference: ({ x, w, b }: Arrays, c) => {
      const sizes = {
        x: c.inputs.x!.shape,
        w: c.inputs.w!.shape,
        y: c.outputs.y!.shape,
        a: c.attributes,
      };
      const y = new Float64Array(elements(sizes.y));
      if (b) y.forEach((_, i) => (y[i] = b[i % b.length]!));
      products(sizes, (i, j, k) => (y[k]! += x![i]! * w![j]!));
      return { y: c.attributes.activation ? y.map((value) => Math.max(value, 0)) : y };
    },
  },
  {
    op: 'conv2dBackwardData',
    cases: plain.map(backwardData),
    reference: ({ dy, w }: Arrays, c) => {
      const sizes = {
        x: c.outputs.dx!.shape,
        w: c.inputs.w!.shape,
        y: c.inputs.dy!.shape,
        a: c.attributes,
      };
      return { dx: flippedForm(dy!, w!, sizes) };
    },
  },
  {
    op: 'conv2dBackwardFilter',
    cases: [
      ...plain.map((g) => backwardFilter(g)),
      backwardFilter(plain[0]!, { dw: true, db: false }),
      backwardFilter(plain[0]!, { dw: false, db: true }),
    ],
    reference: ({ x, dy }: Arrays, c) => {
      const yShape = c.inputs.dy!.shape;
      const wShape = (c.outputs.dw ?? c.inputs.w!).shape;
      const dw = new Float64Array(elements(wShape));
      const db = new Float64Array(yShape[3]!);
      products(
        { x: c.inputs.x!.shape, w: wShape, y: yShape, a: c.attributes },
        (i, j, k) => (dw[j]! += x![i]! * dy![k]!),
      );
      for (let i = 0; i < dy!.length; ++i) db[i % db.length]! += dy![i]!;
      return { ...(c.outputs.dw && { dw }), ...(c.outputs.db && { db }) };
    },
  },
] satisfies FamilyCases;
