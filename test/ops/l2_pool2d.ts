import {
  away,
  elements,
  uniform,
  values,
  type Arrays,
  type FamilyCases,
  type Numbers,
  type OpCase,
  type Recipe,
} from './cases.js';
import { at4 } from './geometry.js';
import { forEachWindow, poolings, type Pooling } from './pooling.js';

/** Calls f(x index, y index) for each element of each window that lies in the volume. */
function walk(p: Pooling, f: (i: number, j: number) => void): void {
  const [, H, W, C] = p.x;
  const { sizeH, sizeW } = p.attributes as { sizeH: number; sizeW: number };
  forEachWindow(p.y, p.attributes, (n, row, column, top, left) => {
    for (let h = Math.max(top, 0); h < Math.min(top + sizeH, H); ++h)
      for (let w = Math.max(left, 0); w < Math.min(left + sizeW, W); ++w)
        for (let c = 0; c < C; ++c) f(at4(p.x)(n, h, w, c), at4(p.y)(n, row, column, c));
  });
}

/** By scaling with the largest value, unlike the kernels; a window with NaN is NaN. */
function norms(x: Numbers, p: Pooling): Float64Array {
  const largest = new Float64Array(elements(p.y));
  const sums = new Float64Array(largest.length);
  walk(p, (i, j) => (largest[j] = Math.max(largest[j]!, Math.abs(x[i]!))));
  walk(p, (i, j) => {
    const size = Math.abs(x[i]!);
    if (largest[j] !== 0) sums[j]! += size === largest[j] ? 1 : (size / largest[j]!) ** 2;
  });
  return sums.map((sum, j) => largest[j]! * Math.sqrt(sum));
}

const forward = (p: Pooling, fill: Recipe = away(), note = ''): OpCase => ({
  name: p.name + note,
  attributes: p.attributes,
  inputs: { x: { shape: p.x, fill, ...p.from } },
  outputs: { y: { shape: p.y, ...p.to, ...(note === ' added' && { accumulate: true }) } },
});

const backward = (p: Pooling, fill: Recipe = away(), note = ''): OpCase => ({
  name: p.name + note,
  attributes: p.attributes,
  inputs: {
    x: { shape: p.x, fill, ...p.from },
    y: { shape: p.y, fill: ({ x }) => norms(x!, p), ...p.to },
    dy: { shape: p.y, fill: uniform(-1, 1), ...p.to },
  },
  outputs: { dx: { shape: p.x, ...p.from, ...(p.accumulate && { accumulate: true }) } },
});

const pooling = (c: OpCase, x: readonly number[], y: readonly number[]): Pooling => ({
  name: c.name,
  x: x as Pooling['x'],
  y: y as Pooling['y'],
  attributes: c.attributes as Pooling['attributes'],
});

const small = poolings[0]!;
const triangle: Pooling = {
  ...small,
  name: '3, 4 and 5',
  x: [1, 2, 4, 1],
  y: [1, 1, 2, 1],
};
const whole = values(3, 0, 0, 0, 4, 0, 0, 0);
const zeros = { noTorch: 'PyTorch gives NaN for windows of zeros' };

export default [
  {
    op: 'l2Pool2d',
    cases: [
      ...poolings.filter((p) => !p.accumulate).map((p) => forward(p)),
      forward(small, uniform(-1, 1), ' added'),
      {
        ...forward(triangle, whole, ' and a window of zeros'),
        noGradient: 'a kink: the norm of zeros',
      },
      {
        ...forward(
          small,
          uniform(-1, 1, { 0: NaN, 7: Infinity, 100: -Infinity }),
          ' NaN passes on',
        ),
        noGradient: 'not finite',
      },
    ],
    reference: ({ x }: Arrays, c) => ({
      y: norms(x!, pooling(c, c.inputs.x!.shape, c.outputs.y!.shape)),
    }),
  },
  {
    op: 'l2Pool2dBackward',
    cases: [
      ...poolings.map((p) => backward(p)),
      { ...backward(triangle, whole, ' and a window of zeros'), ...zeros },
    ],
    reference: ({ x, y, dy }: Arrays, c) => {
      const p = pooling(c, c.inputs.x!.shape, c.inputs.dy!.shape);
      const dx = new Float64Array(elements(p.x));
      walk(p, (i, j) => {
        if (y![j] !== 0) dx[i]! += (x![i]! / y![j]!) * dy![j]!;
      });
      return { dx };
    },
  },
] satisfies FamilyCases;
