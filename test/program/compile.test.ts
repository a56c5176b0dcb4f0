import { expect } from 'chai';
import { network } from '../../lib/graph/network.js';
import { input } from '../../lib/graph/value.js';
import { batchNorm, conv2d, dense, flatten, relu } from '../../lib/layers/index.js';
import { compileEvaluation, compileInference, compileTraining } from '../../lib/program/compile.js';
import { bytesOf, type Program } from '../../lib/program/program.js';
import { slotOffset } from '../../lib/program/slabs.js';
import { verify } from '../../lib/program/verify.js';
import { lenet, mixture, named, nestedConcat, recipe, residual } from './nets.js';

describe('compile', () => {
  it('makes a training program of LeNet', () => {
    const program = compileTraining(lenet(), { ...recipe, inputDtype: 'uint8' });
    expect(verify(program)).to.deep.equal([]);
    expect(program.instructions.map((i) => i.op)).to.deep.equal([
      ...['normalize', 'conv2d', 'maxPool2d', 'conv2d', 'maxPool2d', 'conv2d', 'conv2d'],
      'softmaxCrossEntropy',
      'softmaxCrossEntropyBackward',
      ...['conv2dBackwardFilter', 'conv2dBackwardData', 'reluBackward'],
      ...['conv2dBackwardFilter', 'conv2dBackwardData', 'maxPool2dBackward'],
      ...['conv2dBackwardFilter', 'conv2dBackwardData', 'maxPool2dBackward'],
      // The images are normalised again rather than kept. Nobody needs the gradient by them.
      ...['normalize', 'conv2dBackwardFilter'],
      ...['checkFinite', 'sgd'],
    ]);
    expect(program.inputs.map((p) => [p.name, p.dtype, p.shape])).to.deep.equal([
      ['images', 'uint8', [28, 28, 1]],
      ['target', 'int32', []],
    ]);
    expect(program.outputs.map((p) => p.name)).to.deep.equal(['statistics']);
    expect(named(program, 'normalize')[0]!.attributes.scale).to.equal(1 / 255);
  });

  it('orders parameters as the backward pass finishes them, on 64 bytes', () => {
    const { parameters, bytes, slots } = compileTraining(lenet(), recipe);
    expect(parameters.map((p) => p.name)).to.deep.equal(
      ['fc2', 'fc1', 'conv2', 'conv1'].flatMap((l) => [`${l}.w`, `${l}.b`]),
    );
    for (const p of parameters) expect(p.offset % 64).to.equal(0);
    expect(bytes.gradients).to.equal(bytes.parameters);
    expect(bytes.optimizer).to.equal(slots.length * bytes.parameters);
  });

  it('shares the layout of the training program with evaluation and inference', () => {
    const train = compileTraining(residual(), recipe);
    const evaluate = compileEvaluation(residual(), {
      batch: 5,
      loss: recipe.loss,
      layout: train,
      logits: true,
    });
    const infer = compileInference(residual(), { batch: 9, layout: train });
    for (const program of [evaluate, infer]) {
      expect(program.parameters).to.deep.equal(train.parameters);
      expect(program.bytes.parameters).to.equal(train.bytes.parameters);
      expect(program.bytes.state).to.equal(train.bytes.state);
      expect(program.bytes.gradients + program.bytes.optimizer).to.equal(0);
      expect(named(program, 'batchNormInference')).to.have.length(3);
    }
    expect(evaluate.outputs.map((p) => p.name)).to.deep.equal(['statistics', 'logits']);
    expect(infer.outputs).to.have.length(1);
    expect(() => compileInference(lenet(), { batch: 1, layout: train })).to.throw(
      'not that of this network',
    );
    expect(() =>
      compileInference(residual(), { batch: 1, precision: 'float64', layout: train }),
    ).to.throw('float32');
  });

  it('leaves frozen parameters and statistics alone, at no cost', () => {
    const free = compileTraining(residual(), recipe);
    const program = compileTraining(residual(), {
      ...recipe,
      freeze: [/^conv[12]\./, /^bn[12]\./],
    });
    const frozen = program.parameters.filter((p) => !p.trainable && p.region === 'parameters');
    expect(frozen.map((p) => p.name)).to.have.members([
      'conv1.w',
      'conv2.w',
      'bn1.gamma',
      'bn1.beta',
      'bn2.gamma',
      'bn2.beta',
    ]);
    expect(program.bytes.gradients).to.be.lessThan(program.bytes.parameters);
    expect(program.bytes.optimizer).to.equal(program.bytes.gradients);
    // Only the last convolution and the dense layer learn; nothing flows further back.
    expect(named(program, 'conv2dBackwardFilter')).to.have.length(2);
    expect(named(program, 'batchNormUpdate')).to.have.length(1);
    expect(named(free, 'batchNormUpdate')).to.have.length(3);
    expect(named(free, 'batchNormBackward')).to.have.length(3);
    expect(named(program, 'batchNormBackward')).to.have.length(1);
    const last = program.parameters.find((p) => p.trainable)!;
    expect(slotOffset(program, 'momentum', last)).to.equal(last.offset);
    expect(() => slotOffset(program, 'momentum', frozen[0]!)).to.throw('no optimizer slot');
    expect(() => compileTraining(residual(), { ...recipe, freeze: [/./] })).to.throw(
      'no trainable parameter',
    );
  });

  it('runs nothing backward below the lowest trained parameter', () => {
    for (const make of [residual, mixture, nestedConcat]) {
      const network = make();
      const names = network.parameters().map((p) => p.name);
      for (let lowest = 0; lowest < names.length; lowest++) {
        const kept = names[lowest]!;
        if (!network.parameters()[lowest]!.spec.trainable) continue;
        const freeze = names.slice(0, lowest).map((name) => new RegExp(`^${name}$`));
        const program = compileTraining(network, { ...recipe, freeze, recompute: 'none' });
        const trained = program.parameters.filter((p) => p.trainable);
        expect(trained.map((p) => p.name)).to.include(kept);
        // Exactly the gradients of what is trained, each aligned to 64 bytes.
        const bytes = trained.map((p) => Math.ceil((4 * p.elements) / 64) * 64);
        expect(program.bytes.gradients).to.equal(bytes.reduce((a, b) => a + b, 0));
        const reached = new Set(
          program.instructions.filter((i) => i.phase === 'backward').map((i) => i.layer),
        );
        const layers = network.nodes.map((node) => node.name);
        const first = layers.indexOf(kept.slice(0, kept.lastIndexOf('.')));
        const below = layers.slice(0, first).filter((name) => reached.has(name));
        expect(below, `${make.name}, from ${kept} on`).to.deep.equal([]);
        for (const b of program.buffers)
          if (b.category === 'activationGradients')
            expect(layers.slice(0, Math.max(0, first - 1)), b.name).to.not.include(
              b.name.split('.')[0],
            );
      }
    }
  });

  it('takes the gradient by the output from the caller', () => {
    const program = compileTraining(residual(), { ...recipe, loss: 'external' });
    expect(program.kind).to.equal('external');
    expect(program.inputs.map((p) => p.name)).to.deep.equal(['images', 'dy']);
    expect(program.outputs.map((p) => p.name)).to.deep.equal(['output']);
    const { forward, backward, update } = program.ranges;
    expect([forward[0], forward[1], backward[1], update[1]]).to.deep.equal([
      0,
      backward[0],
      update[0],
      program.instructions.length,
    ]);
    const phases = (r: [number, number]) =>
      new Set(program.instructions.slice(...r).map((i) => i.phase));
    expect([...phases(forward)]).to.deep.equal(['forward']);
    expect([...phases(backward)]).to.deep.equal(['backward']);
    expect([...phases(update)]).to.deep.equal(['update', 'commit']);
    const dy = program.inputs[1]!.buffer;
    for (const i of program.instructions)
      for (const o of i.operands) if (o?.buffer === dy) expect(o.access).to.equal('read');
  });

  it('gives buffers that are affine in the batch', () => {
    const compile = (batch: number): Program => compileTraining(mixture(), { ...recipe, batch });
    const one = compile(1);
    for (const batch of [2, 7, 13]) {
      const program = compile(batch);
      expect(program.instructions.length).to.equal(one.instructions.length);
      program.buffers.forEach((b, i) => {
        const small = one.buffers[i]!;
        expect([b.name, b.fixed, b.perImage]).to.deep.equal([
          small.name,
          small.fixed,
          small.perImage,
        ]);
        expect(b.bytes).to.equal((b.fixed + b.perImage * batch) * bytesOf[b.dtype]);
      });
    }
  });

  it('needs no normalisation where nothing would change, and takes it per channel', () => {
    expect(named(compileInference(residual(), { batch: 1 }), 'normalize')).to.have.length(0);
    const program = compileInference(residual(), {
      batch: 1,
      inputDtype: 'uint8',
      preprocess: { scale: 1 / 256, mean: [0.1, 0.2, 0.3], std: 2 },
    });
    const [normalize] = named(program, 'normalize');
    expect(normalize!.attributes.scale).to.equal(1 / 256);
    const floats = program.constants.map(({ data }) => {
      const bytes = Uint8Array.from(Buffer.from(data, 'base64'));
      return [...new Float32Array(bytes.buffer)];
    });
    expect(floats).to.deep.equal([[...Float32Array.of(0.1, 0.2, 0.3)], [2, 2, 2]]);
    const bad = (preprocess: object) => () =>
      compileInference(residual(), { batch: 1, preprocess });
    expect(bad({ mean: [1, 2] })).to.throw('3 channels');
    expect(bad({ std: 0 })).to.throw('std holds 0');
    expect(bad({ scale: NaN })).to.throw('scale is NaN');
  });

  it('refuses what makes no program', () => {
    for (const batch of [0, -1, 1.5, NaN, Infinity])
      expect(() => compileTraining(lenet(), { ...recipe, batch })).to.throw('the batch is');
    const wrong = [
      { loss: undefined },
      { loss: 'mse' },
      { optimizer: undefined },
      { optimizer: {} },
      { precision: 'int8' },
      { precision: 'float16' },
      { inputDtype: 'int8' },
    ];
    for (const options of wrong)
      expect(() => compileTraining(lenet(), { ...recipe, ...options } as never))
        .to.throw()
        .with.property('code', 'INVALID_ARGUMENT');
    const x = input([4, 4, 1]);
    const two = network(x, [dense({ units: 2 })(x), dense({ units: 3 })(x)]);
    expect(() => compileTraining(two, recipe)).to.throw('2 outputs');
    expect(compileInference(two, { batch: 2 }).outputs.map((p) => p.name)).to.deep.equal([
      'output',
      'output2',
    ]);
    expect(() => compileInference(two, { batch: 2, inputDtype: 'float64' })).to.throw('float64');
  });

  it('gives buffers of their own on request', () => {
    for (const net of [mixture(), residual(), nestedConcat()]) {
      const program = compileTraining(net, { ...recipe, isolate: true });
      const arena = program.buffers
        .filter((b) => b.region === 'arena')
        .sort((a, b) => a.offset - b.offset);
      for (const [i, b] of arena.entries())
        if (i > 0) expect(b.offset).to.be.at.least(arena[i - 1]!.offset + arena[i - 1]!.bytes);
      for (const { operands } of program.instructions) {
        const used = operands.filter((o) => o !== null);
        for (const out of used.filter((o) => o.access === 'overwrite'))
          expect(used.filter((o) => o.buffer === out.buffer && o.access === 'read')).to.have.length(
            0,
          );
      }
    }
  });

  it('frees what inference no longer needs', () => {
    const x = input([16, 16, 8]);
    let y = x;
    for (let i = 0; i < 6; i++)
      y = conv2d({ filters: 8, size: 3, padding: 1 })(relu()(batchNorm()(y)));
    const net = network(x, dense({ units: 2 })(flatten()(y)));
    const { bytes, buffers } = compileInference(net, { batch: 4 });
    const volume = 4 * 16 * 16 * 8 * 4;
    const workspace = Math.max(
      ...buffers.filter((b) => b.category === 'workspace').map((b) => b.bytes),
    );
    expect(bytes.arena).to.be.at.most(2 * volume + workspace + 1024);
  });
});
