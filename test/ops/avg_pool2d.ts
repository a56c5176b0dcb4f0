import { elements, uniform, type Arrays, type FamilyCases, type OpCase } from './cases.js';
import { at4 } from './geometry.js';
import { forEachWindow, poolings, type Pooling } from './pooling.js';

const attributes = (p: Pooling, countPadding: number) => ({ ...p.attributes, countPadding });
const padded = (p: Pooling): boolean =>
  ['padTop', 'padLeft', 'padBottom', 'padRight'].some((side) => p.attributes[side]);

/** Both rules where they differ. */
const both = (make: (p: Pooling, countPadding: number) => OpCase): OpCase[] =>
  poolings.flatMap((p) => [make(p, 1), ...(padded(p) ? [make(p, 0)] : [])]);

const name = (p: Pooling, countPadding: number): string =>
  `${p.name}${countPadding ? '' : ', padding not counted'}`;

const forward = (p: Pooling, countPadding: number): OpCase => ({
  name: name(p, countPadding),
  attributes: attributes(p, countPadding),
  inputs: { x: { shape: p.x, fill: uniform(-1, 1), ...p.from } },
  outputs: { y: { shape: p.y, ...p.to } },
});

const backward = (p: Pooling, countPadding: number): OpCase => ({
  name: name(p, countPadding),
  attributes: attributes(p, countPadding),
  inputs: { dy: { shape: p.y, fill: uniform(-1, 1), ...p.to } },
  outputs: { dx: { shape: p.x, ...p.from, ...(p.accumulate && { accumulate: true }) } },
});

/** Calls f(x index, y index, 1 / divisor) for each element of each window that lies in the volume. */
function walk(
  x: readonly number[],
  y: readonly number[],
  a: OpCase['attributes'],
  f: (i: number, j: number, weight: number) => void,
): void {
  const [, H, W, C] = x as [number, number, number, number];
  const xAt = at4(x);
  const yAt = at4(y);
  const size = { h: Number(a.sizeH), w: Number(a.sizeW) };
  const bottom = H + Number(a.padBottom);
  const right = W + Number(a.padRight);
  forEachWindow(y, a, (n, p, q, top, left) => {
    let divisor = 0;
    for (let h = top; h < top + size.h; ++h)
      for (let w = left; w < left + size.w; ++w) {
        const counted =
          Number(a.countPadding) === 1
            ? h < bottom && w < right
            : h >= 0 && h < H && w >= 0 && w < W;
        if (counted) ++divisor;
      }
    for (let h = top; h < top + size.h; ++h)
      for (let w = left; w < left + size.w; ++w)
        if (h >= 0 && h < H && w >= 0 && w < W)
          for (let c = 0; c < C; ++c) f(xAt(n, h, w, c), yAt(n, p, q, c), 1 / divisor);
  });
}

export default [
  {
    op: 'avgPool2d',
    cases: both(forward),
    reference: ({ x }: Arrays, c) => {
      const y = new Float64Array(elements(c.outputs.y!.shape));
      walk(
        c.inputs.x!.shape,
        c.outputs.y!.shape,
        c.attributes,
        (i, j, weight) => (y[j]! += x![i]! * weight),
      );
      return { y };
    },
  },
  {
    op: 'avgPool2dBackward',
    cases: both(backward),
    reference: ({ dy }: Arrays, c) => {
      const dx = new Float64Array(elements(c.outputs.dx!.shape));
      walk(
        c.outputs.dx!.shape,
        c.inputs.dy!.shape,
        c.attributes,
        (i, j, weight) => (dx[i]! += dy![j]! * weight),
      );
      return { dx };
    },
  },
] satisfies FamilyCases;
