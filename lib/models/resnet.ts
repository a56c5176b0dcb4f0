import { scope } from '../graph/names.js';
import { invalid } from '../graph/options.js';
import { network, type Network } from '../graph/network.js';
import type { Value } from '../graph/value.js';
import {
  add,
  batchNorm,
  conv2d,
  dense,
  globalAvgPool2d,
  maxPool2d,
  relu,
} from '../layers/index.js';
import { convNorm, convNormRelu } from './chain.js';
import { imageNet, readModelOptions, type ModelOptions } from './options.js';

export interface ResnetOptions extends ModelOptions {
  /**
   * - `'v1'` (He et al., arXiv:1512.03385): a bottleneck strides in its first 1x1 convolution.
   * - `'v1.5'` (default; torchvision, NVIDIA's "ResNet v1.5"): in its 3x3 convolution.
   * - `'v2'` (He et al., arXiv:1603.05027): normalisation and ReLU before each convolution, strides in the
   *   3x3 convolution.
   */
  version?: 'v1' | 'v1.5' | 'v2';
}

type Version = NonNullable<ResnetOptions['version']>;

/** What a residual block is made of. */
interface BlockShape {
  /** Channels inside; what the block gives has `expansion` times as many. */
  readonly width: number;
  readonly stride: number;
  /** Its input has another shape than its output. */
  readonly projects: boolean;
  readonly version: Version;
}

type Block = (x: Value, shape: BlockShape) => Value;

/** Table 1 of the paper: the kind of block, and how many of them each stage has. */
const depths = {
  resnet18: { block: basic, expansion: 1, blocks: [2, 2, 2, 2] },
  resnet34: { block: basic, expansion: 1, blocks: [3, 4, 6, 3] },
  resnet50: { block: bottleneck, expansion: 4, blocks: [3, 4, 6, 3] },
  resnet101: { block: bottleneck, expansion: 4, blocks: [3, 4, 23, 3] },
  resnet152: { block: bottleneck, expansion: 4, blocks: [3, 8, 36, 3] },
} as const;

/**
 * A residual network (He et al., arXiv:1512.03385) with projections where the shape changes (option B).
 * Layers: `conv1`, `bn1`, `stage1/block1/...` to `stage4/...`, `head`. 11,689,512 parameters.
 */
export const resnet18 = (options: ResnetOptions = {}): Network => resnet('resnet18', options);
/** 21,797,672 parameters. See `resnet18`. */
export const resnet34 = (options: ResnetOptions = {}): Network => resnet('resnet34', options);
/** 25,557,032 parameters. See `resnet18`. */
export const resnet50 = (options: ResnetOptions = {}): Network => resnet('resnet50', options);
/** 44,549,160 parameters. See `resnet18`. */
export const resnet101 = (options: ResnetOptions = {}): Network => resnet('resnet101', options);
/** 60,192,808 parameters. See `resnet18`. */
export const resnet152 = (options: ResnetOptions = {}): Network => resnet('resnet152', options);

function resnet(name: keyof typeof depths, options: ResnetOptions): Network {
  const { images, classes, version } = readModelOptions(name, options, {
    ...imageNet,
    version: 'v1.5',
  });
  if (!['v1', 'v1.5', 'v2'].includes(version))
    throw invalid(`models.${name}: version is '${version}'`, "Give 'v1', 'v1.5' or 'v2'.");
  const { blocks, block, expansion } = depths[name];
  const first = { filters: 64, size: 7, stride: 2, padding: 3 };
  const stem =
    version === 'v2' ? conv2d({ ...first, bias: false })(images) : convNormRelu(images, first);
  let y = maxPool2d({ size: 3, stride: 2, padding: 1 })(stem);
  for (const [i, count] of blocks.entries()) {
    const stride = i === 0 ? 1 : 2;
    const shape = { width: 64 * 2 ** i, stride, projects: stride > 1 || expansion > 1, version };
    y = scope(`stage${i + 1}`, () => stage(y, block, shape, count));
  }
  if (version === 'v2') y = relu()(batchNorm()(y));
  const head = dense({ units: classes, name: 'head' });
  return network(images, head(globalAvgPool2d()(y)), { fit: 'crop' });
}

/** The first block changes the shape, the others keep it. */
function stage(x: Value, block: Block, first: BlockShape, count: number): Value {
  let y = scope('block1', () => block(x, first));
  for (let i = 2; i <= count; i += 1)
    y = scope(`block${i}`, () => block(y, { ...first, stride: 1, projects: false }));
  return y;
}

/** Two 3x3 convolutions. */
function basic(x: Value, shape: BlockShape): Value {
  const { width, stride, version } = shape;
  const first = { filters: width, size: 3, stride, padding: 1 };
  const second = { filters: width, size: 3, padding: 1 };
  if (version !== 'v2') {
    const y = convNorm(convNormRelu(x, first), second);
    return relu()(add(y, shortcut(x, width, shape)));
  }
  const before = relu()(batchNorm()(x));
  const y = conv2d({ ...second, bias: false })(convNormRelu(before, first));
  return add(y, shortcutBefore(x, before, width, shape));
}

/** 1x1 to fewer channels, 3x3, 1x1 to four times as many. */
function bottleneck(x: Value, shape: BlockShape): Value {
  const { width, stride, version } = shape;
  const [outer, inner] = version === 'v1' ? [stride, 1] : [1, stride];
  const reduce = { filters: width, size: 1, stride: outer };
  const spatial = { filters: width, size: 3, stride: inner, padding: 1 };
  const expand = { filters: 4 * width, size: 1 };
  if (version !== 'v2') {
    const y = convNorm(convNormRelu(convNormRelu(x, reduce), spatial), expand);
    return relu()(add(y, shortcut(x, 4 * width, shape)));
  }
  const before = relu()(batchNorm()(x));
  const y = convNormRelu(convNormRelu(before, reduce), spatial);
  return add(conv2d({ ...expand, bias: false })(y), shortcutBefore(x, before, 4 * width, shape));
}

/** The input itself, or a projection where the shape changes. */
function shortcut(x: Value, filters: number, { stride, projects }: BlockShape): Value {
  if (!projects) return x;
  return scope('shortcut', () => convNorm(x, { filters, size: 1, stride }));
}

/** In v2 the projection has no normalisation of its own: it reads what the first one gave. */
function shortcutBefore(
  x: Value,
  before: Value,
  filters: number,
  { stride, projects }: BlockShape,
): Value {
  if (!projects) return x;
  return scope('shortcut', () => conv2d({ filters, size: 1, stride, bias: false })(before));
}
