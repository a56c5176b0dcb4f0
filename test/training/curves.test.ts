// The first 20 training losses, and the parameters after them, against PyTorch's from the same start and
// batches (test/fixtures/pytorch_curves.py). PyTorch itself is not needed.
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { readSafetensors } from '../../lib/formats/safetensors.js';
import {
  add,
  batchNorm,
  concat,
  conv2d,
  dense,
  globalAvgPool2d,
  input,
  inv,
  maxPool2d,
  models,
  network,
  relu,
  sgd,
  softmaxCrossEntropy,
  Weights,
  type Network,
} from '../../lib/index.js';
import type { Optimizer } from '../../lib/optimizers/optimizer.js';
import { elements, generate, integers, uniform, type Recipe } from '../ops/cases.js';
import { difference, expectNone } from '../ops/compare.js';
import { digestDifference } from '../ops/digest.js';

const file = fileURLToPath(new URL('../fixtures/pytorch_curves.safetensors', import.meta.url));
const steps = 20;
const bounds = { float64: 1e-8, float32: 1e-3 } as const;

interface Curve {
  name: string;
  network: Network;
  classes: number;
  batch: number;
  optimizer: Optimizer;
}

function branches(): Network {
  const x = input([8, 8, 3]);
  const a = relu()(batchNorm()(conv2d({ filters: 8, size: 3, padding: 1, bias: false })(x)));
  const b = batchNorm()(conv2d({ filters: 8, size: 3, padding: 1, bias: false })(a));
  const c = relu()(add(a, b));
  const d = relu()(conv2d({ filters: 4, size: 1 })(c));
  const pooled = maxPool2d({ size: 2, stride: 2 })(concat(c, d));
  return network(x, dense({ units: 5 })(globalAvgPool2d()(pooled)));
}

const curves: readonly Curve[] = [
  {
    name: 'lenet',
    network: models.lenet(),
    classes: 10,
    batch: 16,
    optimizer: sgd({
      learningRate: inv({ from: 0.01, gamma: 1e-4, power: 0.75 }),
      momentum: 0.9,
      weightDecay: 5e-4,
      groups: [{ match: /\.b$/, learningRateScale: 2, weightDecay: 0 }],
    }),
  },
  {
    name: 'branches',
    network: branches(),
    classes: 5,
    batch: 12,
    optimizer: sgd({ learningRate: 0.05, momentum: 0.9, weightDecay: 1e-3 }),
  },
];

/** Where a parameter starts; `parameter` of the script says the same. */
function start(curve: string, name: string, shape: readonly number[]): Float64Array {
  const kind = name.split('.')[1];
  const count = elements(shape);
  if (kind === 'mean') return new Float64Array(count);
  if (kind === 'variance') return new Float64Array(count).fill(1);
  const reach = Math.sqrt(3 / elements(shape.slice(0, -1)));
  const recipe: Recipe =
    kind === 'w'
      ? uniform(-reach, reach)
      : kind === 'gamma'
        ? uniform(0.5, 1.5)
        : uniform(-0.1, 0.1);
  return generate(recipe, count, `curves/${curve}/${name}`);
}

describe('training curves', () => {
  let stored: ReadonlyMap<string, ArrayLike<number>>;
  before(async () => {
    const { tensors } = await readSafetensors(file);
    stored = new Map([...tensors].map(([name, { data }]) => [name, data as Float64Array]));
  });

  for (const { name, network, classes, batch, optimizer } of curves)
    for (const precision of ['float64', 'float32'] as const)
      it(`${name} in ${precision}: 20 losses and the parameters after them are PyTorch's`, async () => {
        const starts = network.parameters().map(({ name: parameter, spec }) => {
          const data = start(name, parameter, spec.shape);
          return { parameter, shape: spec.shape, data };
        });
        const weights = new Weights(
          starts.map(({ parameter, shape, data }) => [
            parameter,
            { dtype: 'float64', shape, data },
          ]),
        );
        await using trainer = await network.trainer({
          device: 'cpu',
          precision,
          batch,
          optimizer,
          loss: softmaxCrossEntropy(),
          weights,
        });
        const losses: number[] = [];
        for (let step = 0; step < steps; ++step) {
          const pixels = elements(network.nodes[network.inputs[0]!]!.shape);
          const images = generate(uniform(0, 1), batch * pixels, `curves/${name}/x/${step}`);
          const x = precision === 'float64' ? images : Float32Array.from(images);
          const target = Int32Array.from(
            generate(integers(0, classes), batch, `curves/${name}/labels/${step}`),
          );
          losses.push((await trainer.step({ x, target })).loss);
        }
        const tolerance = { norm: bounds[precision], max: Infinity };
        const wrong: string[] = [];
        const check = (what: string, problem: string | undefined): void => {
          if (problem !== undefined) wrong.push(`${what}: ${problem}`);
        };
        check('losses', difference(losses, stored.get(`${name}/losses`)!, tolerance));
        const after = await trainer.weights();
        expect(
          [...stored.keys()].filter(
            (key) => key.startsWith(`${name}/`) && !key.endsWith('/movement'),
          ),
        ).to.have.members([
          `${name}/losses`,
          ...[...after.keys()].map((parameter) => `${name}/${parameter}`),
        ]);
        for (const { parameter, data } of starts) {
          const found = Float64Array.from(after.get(parameter)!.data as Float64Array);
          check(parameter, digestDifference(found, stored.get(`${name}/${parameter}`)!, tolerance));
          const movement = stored.get(`${name}/${parameter}/movement`);
          if (movement === undefined) continue;
          const moved = found.map((value, i) => value - data[i]!);
          check(`movement of ${parameter}`, digestDifference(moved, movement, tolerance));
        }
        expectNone(wrong);
      });
});
