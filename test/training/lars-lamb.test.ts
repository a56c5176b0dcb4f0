// LARS and LAMB over several steps against their papers' algorithms (test/fixtures/lars_lamb.py).
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { readSafetensors, type HostTensor } from '../../lib/formats/safetensors.js';
import { sequential } from '../../lib/graph/sequential.js';
import { dense } from '../../lib/layers/index.js';
import { lamb, lars, type Optimizer } from '../../lib/optimizers/index.js';
import { farthest, numbers } from './support.js';

const steps = 10;
const sizes = [
  [6, 5],
  [5, 4],
  [4, 3],
] as const;
const common = {
  learningRate: 0.05,
  weightDecay: 2 ** -6,
  groups: [
    { match: /\.b$/, learningRateScale: 2, weightDecay: 0, trustRatio: false },
    { match: /^fc1\.w$/, weightDecay: 0 },
  ],
};
const runs: Readonly<Record<string, Optimizer>> = {
  lars: lars({ ...common, epsilon: 0 }),
  'lars-other': lars({ ...common, momentum: 0.5, trustCoefficient: 0.02, epsilon: 0.01 }),
  lamb: lamb(common),
  'lamb-other': lamb({ ...common, betas: [0.5, 0.9], epsilon: 1e-3 }),
};

const network = () =>
  sequential(
    [6],
    sizes.map(([, units]) => dense({ units })),
  );
const weights = new Map<string, HostTensor>();
for (const [i, [inputs, units]] of sizes.entries()) {
  // The layer in the middle is zero: so are its norm and, at first, gradients on both sides of it.
  const share = i === 1 ? 0 : 1;
  const entry = (shape: readonly number[], f: (k: number) => number): HostTensor => ({
    dtype: 'float64',
    shape,
    data: numbers(
      shape.reduce((a, b) => a * b),
      (k) => share * f(k),
    ),
  });
  weights.set(
    `fc${i + 1}.w`,
    entry([inputs, units], (k) => Math.sin(0.3 * k + i)),
  );
  weights.set(
    `fc${i + 1}.b`,
    entry([units], (k) => Math.cos(0.7 * k + i)),
  );
}

describe('LARS and LAMB over ten steps', () => {
  let stored: Awaited<ReturnType<typeof readSafetensors>>['tensors'];
  before(async () => {
    const path = new URL('../fixtures/lars_lamb.safetensors', import.meta.url);
    ({ tensors: stored } = await readSafetensors(fileURLToPath(path)));
  });

  for (const [name, optimizer] of Object.entries(runs))
    for (const [precision, tolerance] of [
      ['float64', 1e-12],
      ['float32', 2e-6],
    ] as const)
      it(`${name} is the paper's in ${precision}`, async () => {
        await using trainer = await network().trainer({
          ...({ device: 'cpu', batch: 1, loss: 'external' } as const),
          ...{ optimizer, precision, weights },
        });
        for (let t = 0; t < steps; t += 1) {
          const x = numbers(6, (i) => Math.sin(1 + i + 7 * t));
          await trainer.forward(precision === 'float64' ? x : Float32Array.from(x));
          await trainer.backward(numbers(3, (i) => Math.cos(2 + i + 3 * t)));
          await trainer.update();
        }
        const found = await trainer.weights();
        expect([...found.keys()]).to.have.members([...weights.keys()]);
        for (const [parameter, { data }] of found) {
          const wanted = stored.get(`${name}/${parameter}`)!.data as Float64Array;
          expect(farthest(data as Float64Array, wanted), parameter).to.be.below(tolerance);
        }
      });
});
