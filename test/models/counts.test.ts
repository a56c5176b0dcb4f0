import { expect } from 'chai';
import { models, type Network } from '../../lib/index.js';

const torchvision = 'torchvision.models, num_params of the weights of that name';
const cifar =
  'He et al., arXiv:1512.03385, section 4.2, counted with option A (Idelbayev, pytorch_resnet_cifar10)';

/** Published numbers of parameters, each with its source. */
const published: readonly (readonly [id: string, parameters: number, source: string])[] = [
  ['lenet', 431_080, 'Caffe, examples/mnist/lenet_train_test.prototxt'],
  ['lenet5', 61_706, 'the sum over the layers with full connection of C3 (d2l.ai, section 7.6)'],
  ['lenet5-1998', 60_850, 'LeCun et al. 1998, section II.B: 60,000, and 850 for a dense output'],
  ['alexnet', 60_965_224, 'Caffe, models/bvlc_alexnet, the sum over its layers'],
  ['caffenet', 60_965_224, 'Caffe, models/bvlc_reference_caffenet, the sum over its layers'],
  ['zfnet', 62_357_608, 'the sum over figure 3 of arXiv:1311.2901'],
  ['alexnet-owt', 61_100_840, torchvision],
  ['vgg11', 132_863_336, torchvision],
  ['vgg13', 133_047_848, torchvision],
  ['vgg16', 138_357_544, torchvision],
  ['vgg19', 143_667_240, torchvision],
  ['vgg11-bn', 132_868_840, torchvision],
  ['vgg13-bn', 133_053_736, torchvision],
  ['vgg16-bn', 138_365_992, torchvision],
  ['vgg19-bn', 143_678_248, torchvision],
  ['googlenet', 6_998_552, 'the sum over table 1 of arXiv:1409.4842, biases included'],
  ['googlenet-aux', 13_378_280, 'the same with the classifiers of section 5'],
  ['googlenet-bn', 6_624_904, torchvision],
  ['resnet18', 11_689_512, torchvision],
  ['resnet34', 21_797_672, torchvision],
  ['resnet50', 25_557_032, torchvision],
  ['resnet101', 44_549_160, torchvision],
  ['resnet152', 60_192_808, torchvision],
  ['resnet50-v1', 25_557_032, 'as v1.5: the stride moves, no weight does'],
  ['resnet50-v2', 25_549_352, 'the sum over the layers of arXiv:1603.05027 (25.55 M in timm)'],
  ['resnet20', 269_722, cifar],
  ['resnet32', 464_154, cifar],
  ['resnet44', 658_586, cifar],
  ['resnet56', 853_018, cifar],
  ['resnet110', 1_727_962, cifar],
  ['nin-cifar', 966_986, 'the sum over the layers of the authors’ Caffe file'],
  ['nin', 7_595_176, 'the sum over the layers of the authors’ Caffe file'],
  ['all-cnn', 1_369_738, 'the sum over table 1 of arXiv:1412.6806 (1.3 M there)'],
  ['squeezenet1.0', 1_248_424, torchvision],
  ['squeezenet1.1', 1_235_496, torchvision],
  ['mobilenet', 4_231_976, 'Keras, keras.applications.MobileNet, trainable parameters'],
];

describe('models: numbers of parameters', () => {
  it('every network of the zoo has a published number here', () => {
    expect(published.map(([id]) => id)).to.have.members(Object.keys(models.zoo));
  });

  for (const [id, parameters, source] of published)
    it(`${id}: ${parameters.toLocaleString('en-US')} (${source})`, () => {
      expect(models.zoo[id]!().summary().totals.parameters).to.equal(parameters);
    });

  it('images of 224 leave 7x7 before the last pooling, 6x6 in AlexNet', () => {
    const planeOf = (net: Network, kind: string): unknown => {
      const node = net.nodes.findLast(({ layer }) => layer?.kind === kind)!;
      return net.nodes[node.inputs[0]!]!.shape.slice(0, 2);
    };
    for (const id of ['resnet50', 'resnet50-v2', 'googlenet', 'googlenet-bn', 'mobilenet'])
      expect(planeOf(models.zoo[id]!(), 'globalAvgPool2d'), id).to.deep.equal([7, 7]);
    expect(planeOf(models.zoo['alexnet-owt']!(), 'flatten')).to.deep.equal([6, 6]);
    expect(planeOf(models.zoo['squeezenet1.1']!(), 'globalAvgPool2d')).to.deep.equal([13, 13]);
  });

  it('the last layer can be replaced, stages have the names of the documentation', () => {
    const tuned = models.resnet50().replaceHead({ units: 10 });
    expect(tuned.nodes.at(-1)!.shape).to.deep.equal([10]);
    const names = tuned.parameters().map(({ name }) => name);
    expect(names).to.include.members(['conv1.w', 'bn1.gamma', 'head.w', 'head.b']);
    for (const stage of [1, 2, 3, 4])
      expect(names).to.include(`stage${stage}/block1/shortcut/conv1.w`);
  });

  it('the planes of the papers: AlexNet’s 55, 27, 13 and 6, ZFNet’s 110, 55, 26, 13 and 6', () => {
    const planes = (net: Network): number[] => [
      ...new Set(
        net.nodes.slice(1).flatMap(({ shape }) => (shape.length === 3 ? [shape[0]!] : [])),
      ),
    ];
    expect(planes(models.alexnet())).to.deep.equal([55, 27, 13, 6]);
    expect(planes(models.caffenet())).to.deep.equal([55, 27, 13, 6]);
    expect(planes(models.zfnet())).to.deep.equal([110, 55, 26, 13, 6]);
    expect(planes(models.lenet5())).to.deep.equal([28, 14, 10, 5]);
    expect(planes(models.lenet5({ input: [28, 28, 1] }))).to.deep.equal([28, 14, 10, 5]);
  });

  it('LeNet-5 of 1998 has the parameters of each of the paper’s layers', () => {
    const { rows } = models.lenet5({ version: '1998' }).summary();
    const of = (pattern: RegExp): number =>
      rows.filter(({ name }) => pattern.test(name)).reduce((sum, row) => sum + row.parameters, 0);
    expect([of(/\/c1$/), of(/s2$/), of(/^c3/), of(/^s4$/), of(/^fc1$/), of(/^fc2$/)]).to.deep.equal(
      [156, 12, 1516, 32, 48_120, 10_164],
    );
  });

  it('refuse options that they do not have', () => {
    expect(() => models.vgg16({ class: 10 } as object)).to.throw(
      /models\.vgg16 has no option 'class'/,
    );
    expect(() => models.vgg11({ batchNorm: 'yes' as unknown as boolean })).to.throw(
      /batchNorm is 'yes'/,
    );
    expect(() => models.lenet({ clases: 3 } as object)).to.throw(/Did you mean|no option 'clases'/);
    expect(() => models.mobilenet({ width: 0 })).to.throw(/width is 0/);
    expect(() => models.resnet18({ version: 'v3' as 'v1' })).to.throw(/version/);
    expect(() => models.lenet5({ version: '1989' as '1998' })).to.throw(/version/);
    expect(() => models.googlenetBn({ wideFilter: 4 as 3 })).to.throw(/wideFilter/);
  });
});
