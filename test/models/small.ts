// The zoo as tests run it: every family on images as small as its poolings allow, and narrower still.
import type { NodeJson } from '../../lib/graph/network-json.js';
import { models, Network } from '../../lib/index.js';

/** Every family, on images as small as its poolings allow. */
export const small: Readonly<Record<string, () => Network>> = {
  lenet5: () => models.lenet5({ classes: 7 }),
  alexnet: () => models.alexnet({ input: [67, 67, 3], classes: 7 }),
  caffenet: () => models.caffenet({ input: [67, 67, 3], classes: 7 }),
  zfnet: () => models.zfnet({ input: [64, 64, 3], classes: 7 }),
  'alexnet-owt': () => models.alexnetOwt({ input: [63, 63, 3], classes: 7 }),
  'vgg11-bn': () => models.vgg11({ input: [32, 32, 3], classes: 7, batchNorm: true }),
  'googlenet-aux': () => models.googlenet({ input: [80, 80, 3], classes: 7, auxiliary: true }),
  'googlenet-bn': () => models.googlenetBn({ input: [48, 40, 3], classes: 7 }),
  'googlenet-bn 5x5': () => models.googlenetBn({ input: [48, 40, 3], classes: 7, wideFilter: 5 }),
  resnet18: () => models.resnet18({ input: [40, 33, 3], classes: 7 }),
  'resnet18 v2': () => models.resnet18({ input: [33, 33, 3], classes: 7, version: 'v2' }),
  resnet50: () => models.resnet50({ input: [33, 33, 3], classes: 7 }),
  'resnet50 v2': () => models.resnet50({ input: [33, 33, 3], classes: 7, version: 'v2' }),
  resnet20: () => models.resnet20({ classes: 7 }),
  nin: () => models.nin({ input: [67, 67, 3], classes: 7 }),
  'nin-cifar': () => models.ninCifar({ classes: 7 }),
  'all-cnn': () => models.allCnn({ classes: 7 }),
  'squeezenet1.0': () => models.squeezenet10({ input: [49, 49, 3], classes: 7 }),
  'squeezenet1.1': () => models.squeezenet11({ input: [49, 49, 3], classes: 7 }),
  mobilenet: () => models.mobilenet({ input: [33, 33, 3], classes: 7, width: 0.5 }),
};

/** Images for a step of `n`: a different plain wave for each, something that can be told apart. */
export function waves(net: Network, n: number): Float32Array {
  const [height, width, channels] = net.nodes[0]!.shape as [number, number, number];
  const values = height * width * channels;
  return Float32Array.from({ length: n * values }, (_, i) =>
    Math.sin(i * (0.1 + 0.03 * Math.floor(i / values))),
  );
}

/**
 * The same network with fewer channels: filters and units above `most` are divided by `factor`, and so
 * are groups where each has one channel. Widths that 8 divides stay alike where they were alike.
 */
export function narrow(net: Network, factor: number, most: number): Network {
  const less = (value: number): number =>
    value > most ? Math.max(1, Math.round(value / factor)) : value;
  const json = net.toJSON();
  const nodes = json.nodes.map((node): NodeJson => {
    const options = { ...node.options };
    const depthwise = options.groups !== undefined && options.groups === options.filters;
    for (const name of ['filters', 'units', ...(depthwise ? ['groups'] : [])])
      if (typeof options[name] === 'number') options[name] = less(options[name]);
    return node.options === undefined ? node : { ...node, options };
  });
  return Network.fromJSON({ ...json, nodes });
}
