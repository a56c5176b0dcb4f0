// Global pooling as a layer: its outputs, and the gradient that reaches a convolution before it, by
// finite differences.
import { expect } from 'chai';
import {
  conv2d,
  globalAvgPool2d,
  globalMaxPool2d,
  l2Pool2d,
  flatten,
  sequential,
  sgd,
  type Layer,
} from '../../lib/index.js';
import { mean, square, sub } from '../../lib/layers/index.js';
import type { Value } from '../../lib/graph/value.js';

/** 9x7 has one-byte switches, 17x19 more than 256 places. */
const planes: readonly (readonly [number, number])[] = [
  [9, 7],
  [17, 19],
  [1, 1],
];
const batch = 2;
const channels = 3;

const pools: Readonly<
  Record<string, { layers(plane: readonly [number, number]): Layer[]; of(v: number[]): number }>
> = {
  globalMaxPool2d: { layers: () => [globalMaxPool2d()], of: (v) => Math.max(...v) },
  globalAvgPool2d: {
    layers: () => [globalAvgPool2d()],
    of: (v) => v.reduce((a, b) => a + b, 0) / v.length,
  },
  'l2Pool2d over the plane': {
    layers: (size) => [l2Pool2d({ size }), flatten()],
    of: (v) => Math.hypot(...v),
  },
};

const loss = (y: Value, target: Value): Value => mean(square(sub(y, target)));

describe('global pooling', () => {
  for (const [name, { layers, of }] of Object.entries(pools))
    for (const plane of planes)
      it(`${name} of ${plane.join('x')}`, async () => {
        const [height, width] = plane;
        const net = sequential(
          [height, width, channels],
          [conv2d({ filters: channels, size: 1, bias: false }), ...layers(plane)],
        );
        const x = Float64Array.from({ length: batch * height * width * channels }, (_, i) =>
          Math.sin(1 + i * 1.7),
        );
        const target = Float64Array.from({ length: batch * channels }, (_, i) => i / 3);
        await using run = await net.trainer({
          device: 'cpu',
          precision: 'float64',
          batch,
          loss,
          optimizer: sgd({ learningRate: 1 }),
        });
        const w = (await run.weights()).get('conv1.w')!.data as Float64Array;
        const pooled = (filters: Float64Array): number[] =>
          Array.from({ length: batch * channels }, (_, i) => {
            const [n, k] = [Math.floor(i / channels), i % channels];
            const values = Array.from({ length: height * width }, (_, p) => {
              const pixel = (n * height * width + p) * channels;
              let sum = 0;
              for (let c = 0; c < channels; c += 1)
                sum += x[pixel + c]! * filters[c * channels + k]!;
              return sum;
            });
            return of(values);
          });
        const lossOf = (filters: Float64Array): number =>
          pooled(filters).reduce((sum, y, i) => sum + (y - target[i]!) ** 2, 0) / target.length;

        const { data } = await run.predict(x);
        pooled(w).forEach((y, i) => expect(data[i]).to.be.closeTo(y, 1e-12));
        await run.step({ x, target });
        const after = (await run.weights()).get('conv1.w')!.data as Float64Array;
        for (let i = 0; i < w.length; i += 1) {
          const [up, down] = [w.slice(), w.slice()];
          up[i]! += 1e-6;
          down[i]! -= 1e-6;
          const numeric = (lossOf(up) - lossOf(down)) / 2e-6;
          expect(w[i]! - after[i]!, `dw[${i}]`).to.be.closeTo(
            numeric,
            1e-7 * (1 + Math.abs(numeric)),
          );
        }
      });
});
