import {
  distinct,
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

const switchType = (p: Pooling): 'uint8' | 'int32' =>
  p.attributes.sizeH! * p.attributes.sizeW! <= 256 ? 'uint8' : 'int32';

/** The maxima and where in their windows they lie: the first of equals, the first NaN before all. */
function pool(
  x: Numbers,
  xShape: readonly number[],
  yShape: readonly number[],
  a: OpCase['attributes'],
) {
  const [, H, W, C] = xShape as [number, number, number, number];
  const y = new Float64Array(elements(yShape));
  const switches = new Int32Array(y.length);
  const xAt = at4(xShape);
  const yAt = at4(yShape);
  forEachWindow(yShape, a, (n, p, q, top, left) => {
    for (let c = 0; c < C; ++c) {
      let best = -Infinity;
      let place = -1;
      for (let r = 0; r < Number(a.sizeH); ++r)
        for (let s = 0; s < Number(a.sizeW); ++s) {
          const h = top + r;
          const w = left + s;
          if (h < 0 || h >= H || w < 0 || w >= W || Number.isNaN(best)) continue;
          const value = x[xAt(n, h, w, c)]!;
          if (place < 0 || value > best || Number.isNaN(value)) {
            best = value;
            place = r * Number(a.sizeW) + s;
          }
        }
      y[yAt(n, p, q, c)] = best;
      switches[yAt(n, p, q, c)] = place;
    }
  });
  return { y, switches };
}

const forward = (
  p: Pooling,
  fill: Recipe = distinct(),
  withSwitches = true,
  note = '',
): OpCase => ({
  name: p.name + note,
  attributes: p.attributes,
  inputs: { x: { shape: p.x, fill, ...p.from } },
  outputs: {
    y: { shape: p.y, ...p.to },
    ...(withSwitches && { switches: { shape: p.y, dtype: switchType(p) } }),
  },
});

const backward = (p: Pooling): OpCase => ({
  name: p.name,
  attributes: p.attributes,
  inputs: {
    x: { shape: p.x, fill: distinct() },
    dy: { shape: p.y, fill: uniform(-1, 1), ...p.to },
    switches: {
      shape: p.y,
      dtype: switchType(p),
      fill: ({ x }) => pool(x!, p.x, p.y, p.attributes).switches,
    },
  },
  outputs: { dx: { shape: p.x, ...p.from, ...(p.accumulate && { accumulate: true }) } },
});

const small = poolings[2]!;
const ties: Pooling = {
  name: 'ties',
  x: [1, 3, 4, 1],
  y: [1, 2, 3, 1],
  attributes: {
    sizeH: 2,
    sizeW: 2,
    strideH: 1,
    strideW: 1,
    padTop: 0,
    padLeft: 0,
    padBottom: 0,
    padRight: 0,
  },
};

export default [
  {
    op: 'maxPool2d',
    cases: [
      ...poolings.filter((p) => !p.accumulate).map((p) => forward(p)),
      { ...forward(small, distinct(), false, ' without switches'), noGradient: 'needs switches' },
      {
        ...forward(
          small,
          distinct(0.01, { 0: NaN, 24: NaN, 51: NaN, 100: NaN, 101: -Infinity }),
          true,
          ' NaN passes on',
        ),
        noGradient: 'not finite',
      },
      {
        ...forward(ties, values(1, 1, 0, 0, 1, 2, 2, 0, 2, 2, 2, 0), true, ' first of equals'),
        noGradient: 'ties',
      },
      {
        ...forward(
          ties,
          values(...Array<number>(12).fill(-Infinity)),
          true,
          ' minus infinity everywhere',
        ),
        noGradient: 'not finite',
      },
    ],
    reference: ({ x }: Arrays, c) => {
      const { y, switches } = pool(x!, c.inputs.x!.shape, c.outputs.y!.shape, c.attributes);
      return { y, ...(c.outputs.switches && { switches }) };
    },
  },
  {
    op: 'maxPool2dBackward',
    cases: poolings.map((p) => backward(p)),
    reference: ({ dy, switches }: Arrays, c) => {
      const xShape = c.outputs.dx!.shape;
      const yShape = c.inputs.dy!.shape;
      const dx = new Float64Array(elements(xShape));
      const sizeW = Number(c.attributes.sizeW);
      forEachWindow(yShape, c.attributes, (n, p, q, top, left) => {
        for (let k = 0; k < yShape[3]!; ++k) {
          const j = at4(yShape)(n, p, q, k);
          const place = switches![j]!;
          dx[at4(xShape)(n, top + Math.floor(place / sizeW), left + (place % sizeW), k)]! +=
            dy![j]!;
        }
      });
      return { dx };
    },
  },
] satisfies FamilyCases;
