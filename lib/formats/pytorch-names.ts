import type { Network } from '../graph/network.js';

/** The library whose names and layouts a file has. */
export type WeightsLibrary = 'torchvision' | 'timm';

/**
 * PyTorch's module names by layer names, for one network of the zoo in one library. They follow from how the
 * libraries build their modules: torchvision 0.28 (`torchvision/models/{alexnet,vgg,googlenet,resnet,
 * squeezenet}.py`) and timm 1.0 (`timm/models/{vgg,resnet,efficientnet}.py`, where MobileNet v1 is).
 */
export type ModuleNames = (network: Network) => ReadonlyMap<string, string>;

/** The names of one library by the name that the zoo has for a network. */
export const moduleNames: Readonly<
  Record<WeightsLibrary, Readonly<Partial<Record<string, ModuleNames>>>>
> = {
  torchvision: {
    'alexnet-owt': columns,
    ...forAll(['vgg11', 'vgg13', 'vgg16', 'vgg19'], columns),
    ...forAll(['vgg11-bn', 'vgg13-bn', 'vgg16-bn', 'vgg19-bn'], columns),
    'googlenet-bn': each(googlenet),
    ...forAll(['resnet18', 'resnet34', 'resnet50', 'resnet101', 'resnet152'], each(resnet)),
    ...forAll(['squeezenet1.0', 'squeezenet1.1'], columns),
  },
  timm: {
    ...forAll(['vgg11', 'vgg13', 'vgg16', 'vgg19'], timmVgg),
    ...forAll(['vgg11-bn', 'vgg13-bn', 'vgg16-bn', 'vgg19-bn'], timmVgg),
    ...forAll(['resnet18', 'resnet34', 'resnet50', 'resnet101', 'resnet152'], each(resnet)),
    mobilenet: each(timmMobilenet),
  },
};

/** Modules that only training has and that the zoo's networks lack. */
export const leftOut: Readonly<Record<string, RegExp>> = { 'googlenet-bn': /^aux[12]\./ };

function forAll(ids: readonly string[], names: ModuleNames): Record<string, ModuleNames> {
  return Object.fromEntries(ids.map((id) => [id, names]));
}

/** Names that follow from a layer's name alone. */
function each(nameOf: (layer: string) => string): ModuleNames {
  return (network) =>
    new Map(network.parameters().map(({ layer }) => [layer, nameOf(layer)] as const));
}

const expansions: Readonly<Record<string, string>> = {
  squeeze: '.squeeze',
  expand1: '.expand1x1',
  expand3: '.expand3x3',
};

/**
 * Two `nn.Sequential`, `features` and, from `flatten` or the first dropout on, `classifier`: a module's name is
 * its place there. A fire module is one place.
 */
function columns(network: Network): Map<string, string> {
  const names = new Map<string, string>();
  let column = 'features';
  let place = -1;
  let unit = '';
  for (const { name, layer } of network.nodes) {
    if (layer === null) continue;
    const [first, inner] = name.split('/') as [string, string?];
    if (column === 'features' && (layer.kind === 'flatten' || layer.kind === 'dropout')) {
      column = 'classifier';
      place = layer.kind === 'flatten' ? -1 : 0;
      unit = first;
      continue;
    }
    if (first !== unit) place += 1;
    unit = first;
    names.set(name, `${column}.${place}${expansions[inner ?? ''] ?? ''}`);
  }
  return names;
}

/** timm's VGG has its dense layers as convolutions. */
function timmVgg(network: Network): Map<string, string> {
  const names = columns(network);
  names.set('fc1', 'pre_logits.fc1').set('fc2', 'pre_logits.fc2').set('head', 'head.fc');
  return names;
}

function resnet(layer: string): string {
  if (layer === 'head') return 'fc';
  return layer
    .replace(/^stage(\d)\/block(\d+)\//, (_, stage, block) => `layer${stage}.${Number(block) - 1}.`)
    .replace('shortcut/conv1', 'downsample.0')
    .replace('shortcut/bn1', 'downsample.1');
}

/** Convolutions of an inception module in the order of the zoo's. */
const inceptionBranches = [
  'branch1',
  'branch2.0',
  'branch2.1',
  'branch3.0',
  'branch3.1',
  'branch4.1',
];

function googlenet(layer: string): string {
  if (layer === 'head') return 'fc';
  const [, scope, kind, number] = /^(?:(.*)\/)?(conv|bn)(\d)$/.exec(layer)!;
  const unit =
    scope === undefined ? `conv${number}` : `${scope}.${inceptionBranches[Number(number) - 1]}`;
  return `${unit}.${kind}`;
}

/** Separable convolutions before each stage of timm's `mobilenetv1_100`. */
const mobilenetStages = [0, 1, 3, 5, 11];

function timmMobilenet(layer: string): string {
  if (layer === 'head') return 'classifier';
  if (layer === 'conv1') return 'conv_stem';
  const match = /^separable(\d+)\/(conv|bn)(\d)$/.exec(layer);
  if (match === null) return layer;
  const place = Number(match[1]) - 1;
  const stage = mobilenetStages.findLastIndex((begin) => begin <= place);
  const module = match[2] === 'bn' ? `bn${match[3]}` : match[3] === '1' ? 'conv_dw' : 'conv_pw';
  return `blocks.${stage}.${place - mobilenetStages[stage]!}.${module}`;
}
