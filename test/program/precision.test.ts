// What a precision changes in programs: element types, copies of weights, conversions, the loss scale.
import { expect } from 'chai';
import { models } from '../../lib/index.js';
import { customLoss, softmaxCrossEntropy } from '../../lib/losses/index.js';
import { mean, square, sub } from '../../lib/layers/index.js';
import { lenet } from '../../lib/models/lenet.js';
import { sgd } from '../../lib/optimizers/index.js';
import {
  compileEvaluation,
  compileInference,
  compileTraining,
  type TrainingOptions,
} from '../../lib/program/compile.js';
import { computeTypeOf, precisions, type Precision } from '../../lib/program/precision.js';
import type { Program } from '../../lib/program/program.js';
import { codeOf } from '../support/errors.js';
import { smallResidualNetwork } from '../cuda/digits.js';

const recipe = {
  batch: 8,
  inputDtype: 'uint8',
  device: 'cuda',
  loss: softmaxCrossEntropy(),
  optimizer: sgd({ learningRate: 0.1, momentum: 0.9 }),
} as const satisfies TrainingOptions;

const halves = ['bfloat16', 'float16'] as const;
const opsOf = ({ instructions }: Program): string[] => instructions.map(({ op }) => op);

/** Bytes of every buffer of a category, whatever shares memory. */
function bytesOf({ buffers }: Program, category: string): number {
  return buffers.filter((b) => b.category === category).reduce((sum, b) => sum + b.bytes, 0);
}

describe('precision', () => {
  for (const precision of halves) {
    it(`${precision}: volumes take half, everything else is float32`, () => {
      for (const net of [lenet(), smallResidualNetwork()]) {
        const full = compileTraining(net, { ...recipe, isolate: true });
        const half = compileTraining(net, { ...recipe, precision, isolate: true });
        expect(half.dtype).to.equal('float32');
        for (const region of ['parameters', 'gradients', 'optimizer', 'state'] as const)
          expect(half.bytes[region], region).to.equal(full.bytes[region]);
        for (const b of half.buffers) {
          const volume = b.category.startsWith('activation') && b.perImage > 10;
          if (volume && b.dtype !== 'uint8') expect(b.dtype, b.name).to.equal(precision);
        }
        for (const b of half.buffers.filter(({ name }) => /\.(mean|variance|unbiased)$/.test(name)))
          expect(b.dtype, b.name).to.equal('float32');
        for (const { op, operands } of half.instructions)
          if (op.startsWith('conv2d') && !op.endsWith('Filter'))
            expect(half.buffers[operands[1]!.buffer]!.dtype).to.equal(precision);
      }
    });

    it(`${precision}: activations of LeNet and ResNet-18 cost half in the plan`, () => {
      for (const net of [lenet(), models.resnet18()]) {
        const { loss, optimizer, inputDtype } = recipe;
        const options = { batch: 64, loss, optimizer, inputDtype, recompute: 'none' as const };
        const full = net.plan({ ...options, device: 'cuda' });
        const half = net.plan({ ...options, precision });
        const sum = (plan: typeof full): number =>
          plan.layers.reduce((total, { activations }) => total + activations, 0);
        // A little more than half: the switches of a maximum are one byte each in all precisions.
        expect(sum(half) / sum(full)).to.be.within(0.5, 0.53);
        expect(half.categories.parameters).to.equal(full.categories.parameters);
        const { parameters } = full.categories;
        expect(half.categories.weightCopies / parameters).to.be.within(0.49, 0.51);
        expect(full.categories.weightCopies).to.equal(0);
        const all = Object.values(half.categories).reduce((a, b) => a + b, 0);
        expect(all + half.arena.unused).to.equal(half.totalBytes);
        const copies = half.layers.find(({ name }) => name === 'weights');
        expect(copies?.weightCopies).to.equal(half.categories.weightCopies);
      }
    });

    it(`${precision}: one instruction copies the weights, first in every program`, () => {
      const train = compileTraining(lenet(), { ...recipe, precision });
      const { optimizer: _, ...rest } = recipe;
      const measure = compileEvaluation(lenet(), { ...rest, precision, layout: train });
      const infer = compileInference(lenet(), { ...rest, precision, layout: train });
      for (const program of [train, measure, infer]) {
        const made = program.instructions.filter(({ layer }) => layer === 'weights');
        expect(made.map(({ op }) => op)).to.deep.equal(['copy']);
        expect(program.instructions[0]).to.equal(made[0]);
        expect(bytesOf(program, 'weightCopies')).to.be.above(0);
      }
    });

    it(`${precision}: what the caller reads is float32`, () => {
      const infer = compileInference(lenet(), { batch: 4, device: 'cuda', precision });
      expect(infer.outputs.map(({ dtype }) => dtype)).to.deep.equal(['float32']);
      const external = compileTraining(lenet(), { ...recipe, precision, loss: 'external' });
      expect(external.outputs.map(({ dtype }) => dtype)).to.deep.equal(['float32']);
      expect(external.inputs.map(({ dtype }) => dtype)).to.deep.equal(['uint8', 'float32']);
    });

    it(`${precision}: a loss computes in float32 from the logits on`, () => {
      const loss = customLoss((y, target) => mean(square(sub(y, target))));
      for (const given of [loss, softmaxCrossEntropy()]) {
        const program = compileTraining(lenet(), { ...recipe, precision, loss: given });
        for (const { layer, op, operands } of program.instructions)
          if (layer.startsWith('loss') && op !== 'copy')
            for (const operand of operands) {
              const dtype = operand && program.buffers[operand.buffer]!.dtype;
              expect(dtype, `${layer} ${op}`).to.be.oneOf([null, 'float32', 'int32', 'uint8']);
            }
      }
    });
  }

  it('float16 alone scales the loss where its op does not', () => {
    const lossOf = customLoss((y, target) => mean(square(sub(y, target))));
    for (const loss of [recipe.loss, lossOf, 'external'] as const)
      for (const precision of ['float32', 'tf32', 'bfloat16', 'float16'] as const) {
        const ops = opsOf(compileTraining(lenet(), { ...recipe, loss, precision }));
        const scaled = precision === 'float16';
        const own = scaled && loss !== recipe.loss;
        expect(ops.includes('scaleByLossScale'), precision).to.equal(own);
      }
  });

  it('tf32 is an attribute of the convolutions, and changes nothing else', () => {
    const full = compileTraining(lenet(), recipe);
    const tf32 = compileTraining(lenet(), { ...recipe, precision: 'tf32' });
    const marked = tf32.instructions.map((i) =>
      i.op.startsWith('conv2d') ? { ...i, attributes: { ...i.attributes, tf32: 0 } } : i,
    );
    expect(marked).to.deep.equal(full.instructions);
    expect(tf32.buffers).to.deep.equal(full.buffers);
    for (const { op, attributes } of tf32.instructions)
      if (op.startsWith('conv2d')) expect(attributes.tf32).to.equal(1);
  });

  it('a kind of device that does not compute so refuses, and says what to use', () => {
    const able: Record<'cpu' | 'cuda', Precision[]> = {
      cpu: ['float32', 'float64'],
      cuda: ['float32', 'tf32', 'bfloat16', 'float16'],
    };
    for (const device of ['cpu', 'cuda'] as const)
      for (const precision of precisions) {
        const compile = (): Program => compileInference(lenet(), { batch: 1, device, precision });
        if (able[device].includes(precision))
          expect(compile().dtype).to.equal(computeTypeOf(precision));
        else
          expect(compile)
            .to.throw(precision)
            .with.property('remedy')
            .that.contains(device === 'cpu' ? "device: 'cuda'" : "'cpu'");
      }
    expect(() => lenet().plan({ batch: 1, precision: 'half' as never }))
      .to.throw('half')
      .with.property('code', 'INVALID_ARGUMENT');
  });

  it('all networks of the zoo compile in 16 bits', function () {
    this.timeout(60_000);
    for (const make of [models.resnet18, models.googlenetBn, models.squeezenet11, models.mobilenet])
      compileTraining(make(), { ...recipe, batch: 2, precision: 'bfloat16' });
  });

  it('a trainer on the CPU refuses 16 bits, and a loss scale without float16', async () => {
    const { loss, optimizer } = recipe;
    for (const precision of ['tf32', 'bfloat16', 'float16'] as const)
      expect(await codeOf(lenet().trainer({ loss, optimizer, device: 'cpu', precision }))).to.equal(
        'INVALID_ARGUMENT',
      );
    const wrong = [0, -1, NaN, { initial: 0 }, { growth: 0.5 }, { backoff: 2 }, { interval: 1.5 }];
    for (const lossScale of [...wrong, { factor: 2 }, 'big'] as never[])
      expect(
        await codeOf(lenet().trainer({ loss, optimizer, precision: 'float16', lossScale })),
      ).to.equal('INVALID_ARGUMENT');
    expect(await codeOf(lenet().trainer({ loss, optimizer, lossScale: 1024 }))).to.equal(
      'INVALID_ARGUMENT',
    );
  });
});
