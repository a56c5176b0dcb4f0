// Values of layers, gradients by them and own metrics on the emulated card are those of the processor.
import { expect } from 'chai';
import type { Network } from '../../lib/graph/network.js';
import { sequential } from '../../lib/graph/sequential.js';
import { avgPool2d, batchNorm, conv2d, dense, flatten, tanh } from '../../lib/layers/index.js';
import { softmaxCrossEntropy } from '../../lib/losses/index.js';
import type { Precision } from '../../lib/program/precision.js';
import { device, type Device } from '../../lib/runtime/device.js';
import type { MeasuredBatch } from '../../lib/training/own-metrics.js';
import type { Reading } from '../../lib/training/reader.js';
import { quadrants, smallNetwork } from '../training/support.js';
import { digitBatches, smallResidualNetwork, trainerOn } from './digits.js';
import { emulatedLibrary } from './emulated.js';

/** Without rectifiers, whose gradient jumps where rounding changes a sign. */
function smoothNetwork(): Network {
  return sequential(
    [12, 12, 3],
    [
      ...[conv2d({ filters: 8, size: 3, padding: 1, bias: false }), batchNorm(), tanh()],
      ...[avgPool2d({ size: 2, stride: 2 }), conv2d({ filters: 6, size: 3 }), tanh(), flatten()],
      dense({ units: 10 }),
    ],
  );
}

const residual = ['conv1', 'bn1', 'relu3', 'add1', 'fc1'];
const smooth = ['conv1', 'bn1', 'tanh1', 'pool1', 'fc1'];

/** Relative errors of layers' values, and of gradients, whose way is twice as long. */
const runs: readonly [
  Precision,
  () => Network,
  names: string[],
  values: number,
  gradients: number,
][] = [
  ['float32', smallResidualNetwork, residual, 1e-5, 1e-5],
  ['tf32', smoothNetwork, smooth, 2e-3, 4e-3],
  ['bfloat16', smoothNetwork, smooth, 1e-2, 2e-2],
  ['float16', smoothNetwork, smooth, 2e-3, 4e-3],
];

function off(found: ArrayLike<number>, expected: ArrayLike<number>): number {
  const size = Math.hypot(...Array.from(expected));
  return Math.hypot(...Array.from(expected, (v, i) => v - found[i]!)) / size;
}

describe('reading on cuda:emulated', function () {
  this.timeout(300_000);
  let cuda: Device;
  let cpu: Device;

  before(async function () {
    emulatedLibrary(this);
    cuda = await device('cuda:emulated');
    cpu = await device('cpu');
  });
  after(async () => {
    await cuda?.close();
    await cpu?.close();
  });

  for (const [precision, network, names, values, gradients] of runs)
    it(`is that of the CPU in ${precision}`, async () => {
      const [{ x, target }] = digitBatches(1, 5, 12 * 12 * 3) as [
        ReturnType<typeof digitBatches>[0],
      ];
      const input = network().nodes[0]!.name;
      const read = async (on: Device, given: Precision): Promise<Map<string, Reading>[]> => {
        const options = { batch: 3, loss: softmaxCrossEntropy({ labelSmoothing: 0.1 }) };
        await using trainer = await trainerOn(on, network(), {
          ...options,
          precision: given,
        });
        return [
          await trainer.activations(x, names),
          await trainer.gradients(x, target, [...names, input]),
          await trainer.gradients(x, target, [input], { of: 'score' }),
        ];
      };
      const expected = await read(cpu, 'float32');
      const found = await read(cuda, precision);
      for (const [i, readings] of expected.entries())
        for (const [name, { data, shape }] of readings) {
          const other = found[i]!.get(name)!;
          expect(other.data).to.be.instanceOf(Float32Array);
          expect(other.shape).to.deep.equal(shape);
          const bound = i === 0 ? values : gradients;
          expect(off(other.data, data), `${name} of reading ${i}`).to.be.below(bound);
        }
    });

  it('gives own metrics the outputs', async () => {
    const metrics = {
      size: ({ output, n }: MeasuredBatch): number => Math.hypot(...output) / n,
    };
    const measure = async (on: Device): Promise<number[]> => {
      await using trainer = await trainerOn(on, smallNetwork(), { microBatch: 3 });
      const set = quadrants(19);
      const { epochs } = await trainer.fit(set, { metrics, validation: set });
      return [epochs[0]!.train.own!.size!, epochs[0]!.validation!.own!.size!];
    };
    expect(off(await measure(cuda), await measure(cpu))).to.be.below(1e-4);
  });
});
