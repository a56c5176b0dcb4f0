// The zoo as tests run it: on images as small as its poolings allow, and narrower still.
import type { NodeJson } from '../../lib/graph/network-json.js';
import { models, Network } from '../../lib/index.js';

type Shape = readonly number[];

/** Images as small as the poolings allow, by the zoo's names. */
const sizes: Readonly<Record<string, Shape>> = {
  ...{ lenet: [28, 28, 1], lenet5: [32, 32, 1], 'lenet5-1998': [32, 32, 1] },
  ...{ alexnet: [67, 67, 3], 'alexnet-owt': [63, 63, 3], caffenet: [67, 67, 3] },
  zfnet: [64, 64, 3],
  ...of([32, 32, 3], ['vgg11', 'vgg13', 'vgg16', 'vgg19']),
  ...of([32, 32, 3], ['vgg11-bn', 'vgg13-bn', 'vgg16-bn', 'vgg19-bn']),
  ...{ googlenet: [64, 49, 3], 'googlenet-aux': [80, 80, 3], 'googlenet-bn': [48, 40, 3] },
  ...of([40, 33, 3], ['resnet18', 'resnet34']),
  ...of([33, 33, 3], ['resnet50', 'resnet50-v1', 'resnet50-v2', 'resnet101', 'resnet152']),
  ...of([32, 32, 3], ['resnet20', 'resnet32', 'resnet44', 'resnet56', 'resnet110']),
  ...{ nin: [67, 67, 3], 'nin-cifar': [32, 32, 3], 'all-cnn': [32, 32, 3] },
  ...of([49, 49, 3], ['squeezenet1.0', 'squeezenet1.1']),
  mobilenet: [33, 33, 3],
};

function of(size: Shape, names: readonly string[]): Record<string, Shape> {
  return Object.fromEntries(names.map((name) => [name, size]));
}

/** Every network of the zoo with 7 classes on small images, and what their options change. */
export const small: Readonly<Record<string, () => Network>> = {
  ...Object.fromEntries(Object.keys(models.zoo).map((id) => [id, () => reduced(id)])),
  'googlenet-bn 5x5': () => models.googlenetBn({ input: [48, 40, 3], classes: 7, wideFilter: 5 }),
  'resnet18 v2': () => models.resnet18({ input: [33, 33, 3], classes: 7, version: 'v2' }),
  'mobilenet 0.5': () => models.mobilenet({ input: [33, 33, 3], classes: 7, width: 0.5 }),
};

function reduced(id: string): Network {
  const json = models.zoo[id]!().toJSON();
  const [images, ...nodes] = json.nodes;
  const net = Network.fromJSON({ ...json, nodes: [{ ...images!, shape: sizes[id]! }, ...nodes] });
  return net.replaceHead({ units: 7 });
}

/** Those that differ little from others, and take long: narrower, but for the full run. */
export const deep: ReadonlySet<string> = new Set([
  ...['vgg13', 'vgg16', 'vgg19', 'vgg13-bn', 'vgg16-bn', 'vgg19-bn'],
  ...['resnet34', 'resnet101', 'resnet152', 'resnet50-v1'],
]);

/** Images for a step of `n`: a different plain wave for each, something that can be told apart. */
export function waves(net: Network, n: number): Float32Array {
  const [height, width, channels] = net.nodes[0]!.shape as [number, number, number];
  const values = height * width * channels;
  return Float32Array.from({ length: n * values }, (_, i) =>
    Math.sin(i * (0.1 + 0.03 * Math.floor(i / values))),
  );
}

/**
 * The same network with fewer channels: filters and units above `most` are divided by `factor`; where each
 * group has one channel there are as many groups as are left. Widths that 8 divides stay alike where they
 * were alike.
 */
export function narrow(net: Network, factor: number, most: number): Network {
  const less = (value: number): number =>
    value > most ? Math.max(1, Math.round(value / factor)) : value;
  const json = net.toJSON();
  const nodes: NodeJson[] = [];
  const channelsOf = (id: number): number => {
    const { kind, shape, options, inputs } = nodes[id]!;
    const width = options?.filters ?? options?.units ?? shape?.at(-1);
    if (typeof width === 'number') return width;
    const channels = inputs!.map(channelsOf);
    return kind === 'concat' ? channels.reduce((a, b) => a + b) : channels[0]!;
  };
  for (const node of json.nodes) {
    const options = { ...node.options };
    if (options.groups !== undefined && options.groups === options.filters && options.groups !== 1)
      options.groups = options.filters = channelsOf(node.inputs![0]!);
    else
      for (const name of ['filters', 'units'])
        if (typeof options[name] === 'number') options[name] = less(options[name]);
    nodes.push(node.options === undefined ? node : { ...node, options });
  }
  return Network.fromJSON({ ...json, nodes });
}
