import { expect } from 'chai';
import { models } from '../../lib/index.js';
import { align } from '../../lib/program/arena.js';
import { compileInference, compileTraining } from '../../lib/program/compile.js';
import { parseBytes, Plan } from '../../lib/program/plan.js';
import { planNetwork } from '../../lib/program/plan-network.js';
import { lenet, mixture, recipe } from './nets.js';

describe('plan', () => {
  const { loss, optimizer } = recipe;
  const plan = planNetwork(lenet(), { batch: 64, loss, optimizer });

  it('adds up', () => {
    const sum = Object.values(plan.categories).reduce((a, b) => a + b, 0);
    expect(sum + plan.arena.unused).to.equal(plan.totalBytes);
    expect(plan.peak.bytes).to.equal(plan.totalBytes - plan.arena.unused);
    const alive = plan.peak.buffers.reduce((bytes, b) => bytes + align(b.bytes), 0);
    expect(alive).to.equal(plan.arena.lowerBound);
  });

  it('counts slabs as they are', () => {
    const { parameters, gradients, optimizer: slots, state, input } = plan.categories;
    expect(parameters).to.be.within(431080 * 4, 431080 * 4 + 8 * 64);
    expect(gradients).to.equal(parameters);
    expect(state).to.equal(0);
    // The table of segments belongs to the optimizer.
    expect(slots).to.equal(parameters + align(8 * 16));
    // Two staging slots of images and labels.
    expect(input).to.equal(2 * (64 * 28 * 28 * 4 + 64 * 4));
  });

  it('lists layers in their order', () => {
    expect(plan.layers.map((l) => l.name)).to.include.ordered.members([
      'conv1',
      'pool1',
      'conv2',
      'pool2',
      'fc1',
    ]);
    const conv1 = plan.layers.find((l) => l.name === 'conv1')!;
    expect(conv1.activations).to.equal(64 * 24 * 24 * 20 * 4);
    expect(conv1.parameters).to.equal(align(500 * 4) + align(20 * 4));
    for (const { bytes, ...l } of plan.layers)
      expect(bytes).to.equal(
        l.parameters +
          l.gradients +
          l.optimizer +
          l.activations +
          l.activationGradients +
          l.workspace,
      );
  });

  it('finds the largest batch that fits', () => {
    for (const memory of [plan.totalBytes, plan.totalBytes - 1, '100MB', '1GiB']) {
      const batch = plan.largestBatch(memory);
      expect(plan.bytesFor(batch)).to.be.at.most(parseBytes(memory));
      expect(plan.bytesFor(batch + 1)).to.be.above(parseBytes(memory));
    }
    expect(plan.largestBatch(plan.totalBytes)).to.be.at.least(64);
    expect(plan.largestBatch('1MB')).to.equal(0);
  });

  it('knows the bytes of another batch as a compilation at that batch', () => {
    for (const batch of [1, 3, 32]) {
      const other = new Plan(compileTraining(mixture(), { ...recipe, batch }));
      expect(planNetwork(mixture(), { batch: 64, loss, optimizer }).bytesFor(batch)).to.equal(
        other.totalBytes,
      );
    }
  });

  it('is plain data', () => {
    const json = JSON.parse(JSON.stringify(plan)) as Record<string, unknown>;
    expect(json).to.include({ kind: 'train', batch: 64, totalBytes: plan.totalBytes });
    expect(json.layers).to.deep.equal(plan.layers);
  });

  it('plans inference without a loss', () => {
    const infer = planNetwork(lenet(), { batch: 64 });
    expect(infer.kind).to.equal('infer');
    expect(infer.categories.gradients).to.equal(0);
    expect(infer.totalBytes).to.be.below(plan.totalBytes - 2 * plan.categories.parameters);
  });

  it('reads amounts of memory', () => {
    expect(parseBytes('24GB')).to.equal(24e9);
    expect(parseBytes('1.5 GiB')).to.equal(1.5 * 2 ** 30);
    expect(parseBytes('800mb')).to.equal(8e8);
    expect(parseBytes(7.9)).to.equal(7);
    for (const bad of ['', 'GB', '-1GB', '1PB', NaN, -5, '1e'])
      expect(() => parseBytes(bad))
        .to.throw('no amount of memory')
        .with.property('code', 'INVALID_ARGUMENT');
  });

  it('keeps two neighbouring volumes at most for the inference of VGG-16', () => {
    const net = models.vgg16();
    for (const batch of [1, 3, 16]) {
      const program = compileInference(net, { batch });
      const volumes = program.instructions.map(({ operands }) =>
        operands.reduce((sum, o) => {
          const buffer = o === null ? undefined : program.buffers[o.buffer]!;
          return buffer?.category === 'activations' ? sum + align(buffer.bytes) : sum;
        }, 0),
      );
      const plan = new Plan(program);
      const { activations, workspace } = plan.categories;
      const elements = net.nodes.map(({ shape }) => shape.reduce((a, b) => a * b, 4 * batch));
      const neighbours = elements.map((bytes, i) => bytes + (i === 0 ? 0 : elements[i - 1]!));
      expect(activations).to.be.at.most(Math.max(...volumes));
      expect(plan.arena.bytes - workspace).to.be.at.most(Math.max(...neighbours));
    }
  });
});
