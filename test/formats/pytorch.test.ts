import { expect } from 'chai';
import { moduleNames } from '../../lib/formats/pytorch-names.js';
import {
  fromPytorch,
  models,
  sgd,
  softmaxCrossEntropy,
  toPytorch,
  type HostTensor,
  type Network,
} from '../../lib/index.js';
import { randomNumbers } from '../training/support.js';
import { thrown } from '../support/thrown.js';
import { expectScores, readFixture, stateOf, type Fixture } from './evaluated.js';

type Tensors = Map<string, HostTensor>;

/** Every parameter with numbers from 0 up: a permutation shows. */
function counted(network: Network): Tensors {
  const tensors = new Map<string, HostTensor>();
  for (const { name, spec } of network.parameters()) {
    const length = spec.shape.reduce((a, b) => a * b, 1);
    const data = Float32Array.from({ length }, (_, i) => i);
    tensors.set(name, { dtype: 'float32', shape: spec.shape, data });
  }
  return tensors;
}

describe('weights of torchvision', () => {
  let fixture: Fixture;
  before(async () => {
    fixture = await readFixture();
  });

  it('every name and shape of its models, and no other', () => {
    for (const [model, names] of Object.entries(fixture.names)) {
      const given = new Map<string, HostTensor>();
      for (const [key, shape] of Object.entries(names)) {
        // Large ones would take gigabytes; they are compared by value.
        if (shape.reduce((a, b) => a * b, 1) < 2 ** 17)
          given.set(key, {
            dtype: 'float32',
            shape,
            data: new Float32Array(shape.reduce((a, b) => a * b, 1)),
          });
      }
      const weights = fromPytorch(model, given);
      const back = toPytorch(model, weights);
      const shapes = Object.fromEntries([...back].map(([key, { shape }]) => [key, shape]));
      const expected = [...given].filter(([key]) => !/^aux/.test(key));
      expect(shapes, model).to.deep.equal(
        Object.fromEntries(expected.map(([key, { shape }]) => [key, shape])),
      );
    }
  }).timeout(60_000);

  for (const model of ['googlenet-bn', 'resnet18', 'squeezenet1.1'])
    it(`${model} gives PyTorch’s scores`, () => expectScores(fixture, model)).timeout(60_000);

  it('goes back as it came', () => {
    const tensors = stateOf(fixture, 'resnet18');
    const back = toPytorch('resnet18', fromPytorch('resnet18', tensors));
    expect([...back.keys()]).to.have.members([...tensors.keys()]);
    for (const [key, { shape, data }] of tensors) {
      expect(back.get(key)!.shape).to.deep.equal(shape);
      const same = (back.get(key)!.data as Float32Array).every((v, i) => v === data[i]);
      expect(same, key).to.equal(true);
    }
  });

  it('num_batches_tracked is left out; other tensors are refused', () => {
    const tensors = stateOf(fixture, 'resnet18');
    const count: HostTensor = { dtype: 'int64', shape: [], data: BigInt64Array.of(7n) };
    tensors.set('bn1.num_batches_tracked', count);
    expect(fromPytorch('resnet18', tensors).size).to.equal(tensors.size - 1);
    tensors.set('layer9.weight', tensors.get('bn1.weight')!);
    const error = thrown(() => fromPytorch('resnet18', tensors));
    expect([error.code, error.message]).to.deep.equal([
      'INVALID_FORMAT',
      'resnet18 has no layer9.weight',
    ]);
    expect(thrown(() => fromPytorch('resnet18', new Map())).code).to.equal('INVALID_FORMAT');
  });

  it('wrong shapes and types are refused, other numbers of classes are not', () => {
    const at = (key: string, shape: readonly number[], data?: HostTensor['data']) => () =>
      fromPytorch(
        'resnet18',
        new Map([
          [
            key,
            {
              dtype: 'float32',
              shape,
              data: data ?? new Float32Array(shape.reduce((a, b) => a * b, 1)),
            },
          ],
        ]),
      );
    expect(thrown(at('conv1.weight', [64, 3, 5, 5])).message).to.equal(
      'conv1.weight is [64, 3, 5, 5] instead of [64, 3, 7, 7]',
    );
    expect(thrown(at('conv1.weight', [64, 147])).code).to.equal('INVALID_FORMAT');
    expect(thrown(at('bn1.weight', [32])).code).to.equal('INVALID_FORMAT');
    expect(thrown(at('fc.weight', [10, 256])).code).to.equal('INVALID_FORMAT');
    expect(thrown(at('bn1.weight', [64], new Int32Array(64))).message).to.match(/bn1.weight holds/);
    expect(at('fc.weight', [37, 512])().get('head.w')!.shape).to.deep.equal([512, 37]);
  });

  it('models that the library lacks are refused', () => {
    expect(thrown(() => fromPytorch('nin', new Map())).remedy).to.match(/resnet18/);
    expect(thrown(() => fromPytorch('toString', new Map())).code).to.equal('INVALID_ARGUMENT');
    const library = { library: 'keras' as 'timm' };
    expect(thrown(() => fromPytorch('vgg11', new Map(), library)).message).to.match(/keras/);
    const stray = new Map([
      ['conv9.w', { dtype: 'float32' as const, shape: [1], data: new Float32Array(1) }],
    ]);
    expect(thrown(() => toPytorch('resnet18', stray)).message).to.equal('resnet18 has no conv9.w');
  });
});

describe('weights of timm', () => {
  const timm = { library: 'timm' } as const;

  it('mobilenetv1_100: stem, stages of 1, 2, 2, 6 and 2 blocks, classifier', () => {
    const tensors = toPytorch('mobilenet', counted(models.mobilenet()), timm);
    const shapes = new Map([...tensors].map(([name, { shape }]) => [name, shape.join('x')]));
    // timm/models/efficientnet.py, _gen_mobilenet_v1, and _efficientnet_blocks.py, DepthwiseSeparableConv.
    for (const [name, shape] of [
      ['conv_stem.weight', '32x3x3x3'],
      ['bn1.running_var', '32'],
      ['blocks.0.0.conv_dw.weight', '32x1x3x3'],
      ['blocks.0.0.bn1.weight', '32'],
      ['blocks.0.0.conv_pw.weight', '64x32x1x1'],
      ['blocks.0.0.bn2.bias', '64'],
      ['blocks.1.1.conv_pw.weight', '128x128x1x1'],
      ['blocks.2.0.conv_pw.weight', '256x128x1x1'],
      ['blocks.3.0.conv_dw.weight', '256x1x3x3'],
      ['blocks.3.5.conv_pw.weight', '512x512x1x1'],
      ['blocks.4.1.conv_pw.weight', '1024x1024x1x1'],
      ['classifier.weight', '1000x1024'],
    ] as const)
      expect(shapes.get(name), name).to.equal(shape);
    expect(tensors.size).to.equal(137);
  });

  it('vgg: the first dense layers are convolutions there, channels first', () => {
    const names = moduleNames.timm['vgg11-bn']!(models.vgg11({ batchNorm: true }));
    expect(names.get('conv1')).to.equal('features.0');
    expect([names.get('fc1'), names.get('fc2'), names.get('head')]).to.deep.equal([
      'pre_logits.fc1',
      'pre_logits.fc2',
      'head.fc',
    ]);
    const shape = [4096, 4096, 1, 1];
    const data = new Float32Array(2 ** 24);
    data[1] = 5;
    const tensors = new Map([
      ['pre_logits.fc2.weight', { dtype: 'float32', shape, data } as const],
    ]);
    const weights = fromPytorch('vgg11', tensors, timm);
    const { shape: own, data: values } = weights.get('fc2.w')!;
    expect([own, values[4096]]).to.deep.equal([[4096, 4096], 5]);
    const back = toPytorch('vgg11', weights, timm).get('pre_logits.fc2.weight')!;
    expect([back.shape, back.data[1]]).to.deep.equal([shape, 5]);
  });
});

describe('fine-tuning', () => {
  it('loads a part, replaces the head, freezes the rest, and learns', async () => {
    const fixture = await readFixture();
    const network = models.resnet18({ input: [33, 33, 3] }).replaceHead({ units: 3 });
    const weights = fromPytorch('resnet18', stateOf(fixture, 'resnet18'));
    // The file lacks a layer: it starts afresh.
    weights.delete('stage4/block2/conv2.w');
    await using run = await network.trainer({
      ...{ device: 'cpu', batch: 6, loss: softmaxCrossEntropy(), weights },
      optimizer: sgd({ learningRate: 0.02, momentum: 0.9 }),
      missing: [/^head\./, /^stage4\/block2\/conv2\./],
      freeze: [/^(conv|bn)1\./, /^stage[123]\//],
    });
    const start = await run.weights();
    for (const name of ['conv1.w', 'stage4/block1/conv1.w'])
      expect(start.get(name)!.data, name).to.deep.equal(weights.get(name)!.data);
    expect(start.get('head.w')!.shape).to.deep.equal([512, 3]);
    const random = randomNumbers(3);
    const target = Int32Array.of(0, 1, 2, 0, 1, 2);
    const pixels = 33 * 33;
    const x = Float32Array.from(
      { length: 6 * pixels * 3 },
      (_, i) => random() - 0.5 + (i % 3 === target[Math.floor(i / (3 * pixels))] ? 1 : 0),
    );
    const losses: number[] = [];
    for (let i = 0; i < 8; i += 1) losses.push((await run.step({ x, target })).loss);
    expect(losses.at(-1)!).to.be.below(0.5 * losses[0]!);
    const after = await run.weights();
    for (const [name, { data }] of start) {
      const frozen = /^((conv|bn)1\.|stage[123]\/)/.test(name);
      const same = (data as Float32Array).every((v, i) => v === after.get(name)!.data[i]);
      expect(same, name).to.equal(frozen);
    }
  }).timeout(60_000);

  it('what neither fits nor may be missing is named', async () => {
    const network = models.resnet18({ input: [33, 33, 3] }).replaceHead({ units: 3 });
    const tensors = toPytorch('resnet18', counted(models.resnet18()));
    tensors.delete('layer1.0.conv1.weight');
    const error = await network
      .trainer({
        ...{ device: 'cpu', batch: 2, loss: softmaxCrossEntropy(), missing: [/^head\./] },
        optimizer: sgd({ learningRate: 0.1 }),
        weights: fromPytorch('resnet18', tensors),
      })
      .catch((e: unknown) => e as Error);
    expect((error as Error).message).to.match(/stage1\/block1\/conv1\.w is missing/);
  });
});
