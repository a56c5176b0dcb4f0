// The layers of VGG-16 and ResNet-50 as calls of ops, for measuring what their kernels move.
import { elements } from '../ops/cases.js';
import { nativeOps, withWorkspace, type Given } from '../ops/run.js';

export const batch = 2;
/**
 * Channels above three are cut so that a volume holds at most so many elements, as emulation takes long.
 * At least one sector of 32 bytes stays.
 */
const mostElements = 200_000;
const cutChannels = (channels: number, size: number): number => {
  if (channels <= 3) return channels;
  let cut = channels;
  while (cut > 8 && batch * size * size * cut > mostElements) cut /= 2;
  return cut;
};

/** What an op has to move, in bytes. */
export interface Work {
  /** The layer, as `vgg16 conv1_2`. */
  layer: string;
  op: string;
  attributes: Readonly<Record<string, number>>;
  given: Record<string, Given>;
  /** Input images or their like: reported apart. */
  threeChannels: boolean;
}

export type Shape = readonly number[];
export const reads = (shape: Shape, dtype: Given['dtype'] = 'float32'): Given => ({
  shape,
  dtype,
  access: 'read',
  contents: new Float32Array(elements(shape)).fill(dtype === 'float32' ? 0.5 : 0),
});
export const writes = (shape: Shape, dtype: Given['dtype'] = 'float32'): Given => ({
  ...reads(shape, dtype),
  access: 'overwrite',
});
export const updates = (shape: Shape): Given => ({ ...reads(shape), access: 'accumulate' });

export function work(
  layer: string,
  op: string,
  attributes: Readonly<Record<string, number>>,
  given: Record<string, Given>,
): Work {
  const channels = Object.entries(given)
    .filter(([name]) => ['x', 'y', 'dx', 'dy'].includes(name))
    .map(([, { shape }]) => shape.at(-1));
  return {
    layer,
    op,
    attributes,
    given: withWorkspace(op, attributes, given, 'float32', 'cuda'),
    threeChannels: channels.includes(3),
  };
}

export interface Conv {
  layer: string;
  size: number;
  channels: number;
  filters: number;
  filter: number;
  stride?: number;
  padding?: number;
}

export function convolution({
  layer,
  size,
  channels,
  filters,
  filter,
  stride = 1,
  padding = 0,
}: Conv): Work[] {
  const [c, k] = [cutChannels(channels, size), cutChannels(filters, size)];
  const out = Math.floor((size + 2 * padding - filter) / stride) + 1;
  const x = [batch, size, size, c];
  const y = [batch, out, out, k];
  const w = [filter, filter, c, k];
  const attributes = {
    ...{ strideH: stride, strideW: stride, dilationH: 1, dilationW: 1, groups: 1 },
    ...{ padTop: padding, padLeft: padding, padBottom: padding, padRight: padding },
  };
  return [
    work(layer, 'conv2d', attributes, { x: reads(x), w: reads(w), b: reads([k]), y: writes(y) }),
    work(layer, 'conv2dBackwardData', attributes, { dy: reads(y), w: reads(w), dx: writes(x) }),
    work(layer, 'conv2dBackwardFilter', attributes, {
      ...{ x: reads(x), dy: reads(y) },
      ...{ dw: writes(w), db: writes([k]) },
    }),
  ];
}

interface Pool {
  layer: string;
  kind: 'max' | 'avg';
  size: number;
  channels: number;
  window: number;
  stride: number;
  padding?: number;
}

function pool({ layer, kind, size, channels, window, stride, padding = 0 }: Pool): Work[] {
  const c = cutChannels(channels, size);
  const out = Math.floor((size + 2 * padding - window) / stride) + 1;
  const [x, y] = [
    [batch, size, size, c],
    [batch, out, out, c],
  ];
  const attributes = {
    ...{ sizeH: window, sizeW: window, strideH: stride, strideW: stride },
    ...{ padTop: padding, padLeft: padding, padBottom: padding, padRight: padding },
    ...(kind === 'avg' && { countPadding: 1 }),
  };
  return kind === 'max'
    ? [
        work(layer, 'maxPool2d', attributes, {
          ...{ x: reads(x), y: writes(y), switches: writes(y, 'uint8') },
        }),
        work(layer, 'maxPool2dBackward', attributes, {
          ...{ dy: reads(y), switches: reads(y, 'uint8'), dx: writes(x) },
        }),
      ]
    : [
        work(layer, 'avgPool2d', attributes, { x: reads(x), y: writes(y) }),
        work(layer, 'avgPool2dBackward', attributes, { dy: reads(y), dx: writes(x) }),
      ];
}

function batchNorm(layer: string, size: number, channels: number): Work[] {
  const c = cutChannels(channels, size);
  const x = [batch, size, size, c];
  const attributes = { epsilon: 1e-5, momentum: 0.1 };
  const vectors = { gamma: reads([c]), mean: reads([c]), variance: reads([c]) };
  return [
    work(layer, 'batchNorm', attributes, {
      ...{ x: reads(x), gamma: reads([c]), beta: reads([c]), y: writes(x) },
      ...{ mean: writes([c]), variance: writes([c]), unbiased: writes([c]) },
    }),
    work(layer, 'batchNormInference', attributes, {
      ...{ x: reads(x), ...vectors, beta: reads([c]), y: writes(x) },
    }),
    work(layer, 'batchNormApply', attributes, {
      ...{ x: reads(x), mean: reads([c]), scale: reads([c]), offset: reads([c]), y: writes(x) },
    }),
    work(layer, 'batchNormBackward', attributes, {
      ...{ x: reads(x), ...vectors, dy: reads(x), dx: writes(x) },
      ...{ dgamma: writes([c]), dbeta: writes([c]) },
    }),
    work(layer, 'batchNormUpdate', attributes, {
      ...{ mean: reads([c]), unbiased: reads([c]) },
      ...{ runningMean: updates([c]), runningVariance: updates([c]) },
    }),
  ];
}

function relu(layer: string, size: number, channels: number): Work[] {
  const shape = [batch, size, size, cutChannels(channels, size)];
  return [
    work(layer, 'relu', {}, { x: reads(shape), y: writes(shape) }),
    work(layer, 'reluBackward', {}, { y: reads(shape), dy: reads(shape), dx: writes(shape) }),
  ];
}

function sum(layer: string, size: number, channels: number): Work[] {
  const shape = [batch, size, size, cutChannels(channels, size)];
  return [
    work(layer, 'binary', { kind: 0 }, { a: reads(shape), b: reads(shape), y: writes(shape) }),
    work(layer, 'copy', { alpha: 1 }, { x: reads(shape), y: updates(shape) }),
  ];
}

/** What both networks do once: images, loss, optimizer, checks. */
function around(network: string, parameters: number): Work[] {
  const classes = [batch, 1000];
  const slab = [parameters];
  const image = [batch, 224, 224, 3];
  const segments: Given = {
    shape: [2, 4],
    dtype: 'int32',
    access: 'read',
    contents: [0, parameters / 2, 0x3f800000, 0, parameters / 2, parameters / 2, 0x3f800000, 0],
  };
  return [
    work(
      `${network} images`,
      'normalize',
      { scale: 1 / 255 },
      {
        ...{ x: reads(image, 'uint8'), mean: reads([3]), std: reads([3]), y: writes(image) },
      },
    ),
    work(
      `${network} loss`,
      'softmaxCrossEntropy',
      { ignoreLabel: -1 },
      {
        ...{ logits: reads(classes), labels: reads([batch], 'int32') },
        ...{ losses: writes([batch]), statistics: writes([4]) },
      },
    ),
    work(
      `${network} loss`,
      'softmaxCrossEntropyBackward',
      { ignoreLabel: -1 },
      {
        ...{ logits: reads(classes), labels: reads([batch], 'int32') },
        ...{ statistics: reads([4]), dx: writes(classes) },
      },
    ),
    work(
      `${network} update`,
      'sgd',
      { momentum: 0.9 },
      {
        ...{ gradients: reads(slab), segments, parameters: updates(slab), momentum: updates(slab) },
      },
    ),
    work(`${network} sum`, 'reduce', { kind: 0 }, { x: reads(slab), y: writes([]) }),
    work(`${network} fill`, 'fill', { beta: 1 }, { y: writes(slab) }),
  ];
}

/**
 * The calls with volumes of float32 in bfloat16; what an op keeps in full stays float32. Those without a
 * volume are left out, and those whose channels make no whole sectors of 32 bytes.
 */
export function inBFloat16(works: readonly Work[]): Work[] {
  return works.flatMap(({ layer, op, attributes, given, threeChannels }) => {
    const volumes = nativeOps
      .get(op)!
      .operands.filter(
        ({ element }) => element === 'storage' || (op === 'copy' && element === 'other'),
      )
      .map(({ name }) => name)
      .filter((name) => given[name] !== undefined);
    if (volumes.length === 0 || volumes.some((name) => given[name]!.shape.at(-1)! % 16 !== 0))
      return [];
    const { workspace: _, ...changed } = given;
    for (const name of volumes) changed[name] = { ...changed[name]!, dtype: 'bfloat16' };
    const operands = withWorkspace(op, attributes, changed, 'float32', 'cuda');
    return [{ layer: `${layer} bfloat16`, op, attributes, given: operands, threeChannels }];
  });
}

/** VGG-16 (arXiv:1409.1556, configuration D). */
export function vgg16(): Work[] {
  const blocks = [
    [64, 64],
    [128, 128],
    [256, 256, 256],
    [512, 512, 512],
    [512, 512, 512],
  ];
  const found: Work[] = [];
  let [size, channels] = [224, 3];
  for (const [b, filters] of blocks.entries()) {
    for (const [i, k] of filters.entries()) {
      const layer = `vgg16 conv${b + 1}_${i + 1}`;
      // The third of three is the second again.
      if (i < 2)
        found.push(
          ...convolution({ layer, size, channels, filters: k, filter: 3, padding: 1 }),
          ...relu(layer, size, k),
        );
      channels = k;
    }
    const layer = `vgg16 pool${b + 1}`;
    found.push(...pool({ layer, kind: 'max', size, channels, window: 2, stride: 2 }));
    size /= 2;
  }
  const dropped = [batch, 4096];
  return [
    ...found,
    work('vgg16 dropout', 'dropout', { rate: 0.5 }, { x: reads(dropped), y: writes(dropped) }),
    ...around('vgg16', 1 << 16),
  ];
}

/** ResNet-50 (arXiv:1512.03385), the first two blocks of each stage. */
export function resnet50(): Work[] {
  const found: Work[] = [
    ...convolution({
      ...{ layer: 'resnet50 conv1', size: 224, channels: 3, filters: 64 },
      ...{ filter: 7, stride: 2, padding: 3 },
    }),
    ...batchNorm('resnet50 conv1', 112, 64),
    ...relu('resnet50 conv1', 112, 64),
    ...pool({
      ...{ layer: 'resnet50 pool1', kind: 'max', size: 112, channels: 64 },
      ...{ window: 3, stride: 2, padding: 1 },
    }),
  ];
  let [size, channels] = [56, 64];
  for (const [s, width] of [64, 128, 256, 512].entries())
    for (const block of [1, 2]) {
      const layer = `resnet50 stage${s + 2} block${block}`;
      const stride = s > 0 && block === 1 ? 2 : 1;
      const wide = 4 * width;
      const after = size / stride;
      const inner = { channels: width, filters: width };
      found.push(
        ...convolution({ layer, size, channels, filters: width, filter: 1 }),
        ...convolution({ layer, size, ...inner, filter: 3, stride, padding: 1 }),
        ...convolution({ layer, size: after, channels: width, filters: wide, filter: 1 }),
        ...batchNorm(layer, after, wide),
        ...sum(layer, after, wide),
        ...relu(layer, after, wide),
      );
      if (block === 1)
        found.push(...convolution({ layer, size, channels, filters: wide, filter: 1, stride }));
      [size, channels] = [after, wide];
    }
  return [
    ...found,
    ...pool({
      ...{ layer: 'resnet50 pool5', kind: 'avg', size: 7, channels: 2048 },
      ...{ window: 7, stride: 1 },
    }),
    ...around('resnet50', 1 << 16),
  ];
}
