// The ops that neither VGG-16 nor ResNet-50 have, on the shapes of the networks that do.
import type { Given } from '../ops/run.js';
import { batch, reads, updates, work, writes, type Shape, type Work } from './layers.js';

const volume = [batch, 28, 28, 64];

/** Reads by name, then what is written. */
const from = (names: string, shape: Shape): Record<string, Given> =>
  Object.fromEntries(names.split(' ').map((name) => [name, reads(shape)]));

const window = (size: number, stride: number, padding = 0): Record<string, number> => ({
  ...{ sizeH: size, sizeW: size, strideH: stride, strideW: stride },
  ...{ padTop: padding, padLeft: padding, padBottom: padding, padRight: padding },
});

function elementwise(): Work[] {
  const [x, y] = [reads(volume), writes(volume)];
  const vector = [64];
  const works: Work[] = [];
  // Those whose gradient reads y, and those whose gradient reads x.
  for (const kind of [1, 2, 4, 5, 6, 8]) {
    const attributes = { kind, alpha: 1, threshold: 20 };
    const read: Record<string, Given> = kind < 4 ? { y: x } : { x };
    works.push(
      work(`activation ${kind}`, 'activation', attributes, { x, y }),
      work(`activation ${kind}`, 'activationBackward', attributes, { ...read, dy: x, dx: y }),
    );
  }
  for (const kind of [1, 3])
    works.push(
      work(`unary ${kind}`, 'unary', { kind }, { x, y }),
      work(`unary ${kind}`, 'unaryBackward', { kind }, { ...from('x y dy', volume), dx: y }),
    );
  const gate = [batch, 1, 1, 64];
  return [
    ...works,
    work('transposed convolution', 'addBias', {}, { x, b: reads(vector), y }),
    work('prelu', 'prelu', {}, { x, w: reads(vector), y }),
    work(
      'prelu',
      'preluBackward',
      {},
      {
        ...{ x, w: reads(vector), dy: x, dx: y, dw: writes(vector) },
      },
    ),
    work('squeeze and excitation', 'gate', {}, { x, gate: reads(gate), y }),
    work(
      'squeeze and excitation',
      'gateBackward',
      {},
      {
        ...{ x, gate: reads(gate), dy: x, dx: y, dgate: writes(gate) },
      },
    ),
    work('spread gradient of a mean', 'broadcast', { kind: 1 }, { x: reads([]), y }),
  ];
}

/** Maxout of two pieces (arXiv:1302.4389), and of five. */
function maxout(pieces: number): Work[] {
  const layer = `maxout of ${pieces}`;
  const [x, y] = [
    [batch, 28, 28, 32 * pieces],
    [batch, 28, 28, 32],
  ] as const;
  const switches = 'uint8';
  return [
    work(
      layer,
      'maxout',
      { pieces },
      {
        ...{ x: reads(x), y: writes(y), switches: writes(y, switches) },
      },
    ),
    work(
      layer,
      'maxoutBackward',
      { pieces },
      {
        ...{ dy: reads(y), switches: reads(y, switches), dx: writes(x) },
      },
    ),
  ];
}

/** Padding and cropping by 3 and 2, and doubling. */
function geometry(): Work[] {
  const works: Work[] = [];
  const [x, padded, doubled] = [volume, [batch, 33, 33, 64], [batch, 56, 56, 64]];
  const sides = { padTop: 3, padLeft: 3, padBottom: 2, padRight: 2 };
  for (const mode of [0, 1, 2])
    works.push(
      work(`pad ${mode}`, 'pad2d', { ...sides, mode }, { x: reads(x), y: writes(padded) }),
      work(
        `pad ${mode}`,
        'pad2dBackward',
        { ...sides, mode },
        {
          ...{ dy: reads(padded), dx: writes(x) },
        },
      ),
    );
  for (const mode of [0, 1, 2])
    works.push(
      work(`upsampling ${mode}`, 'resize2d', { mode }, { x: reads(x), y: writes(doubled) }),
      work(
        `upsampling ${mode}`,
        'resize2dBackward',
        { mode },
        {
          ...{ dy: reads(doubled), dx: writes(x) },
        },
      ),
    );
  return works;
}

/** AlexNet's groups, MobileNet's depthwise filters, an FCN's upsampling, DeepFace's local filters. */
function convolutions(): Work[] {
  const geometry = (stride: number, padding: number, groups: number): Record<string, number> => ({
    ...{ strideH: stride, strideW: stride, dilationH: 1, dilationW: 1, groups },
    ...{ padTop: padding, padLeft: padding, padBottom: padding, padRight: padding },
  });
  const three = (
    layer: string,
    attributes: Record<string, number>,
    [x, w, y]: readonly [Shape, Shape, Shape],
  ): Work[] => [
    work(layer, 'conv2d', attributes, {
      ...{ x: reads(x), w: reads(w), b: reads([y[3]!]), y: writes(y) },
    }),
    work(layer, 'conv2dBackwardData', attributes, { dy: reads(y), w: reads(w), dx: writes(x) }),
    work(layer, 'conv2dBackwardFilter', attributes, {
      ...{ x: reads(x), dy: reads(y), dw: writes(w), db: writes([y[3]!]) },
    }),
  ];
  const small = [batch, 14, 14, 64];
  const local = [batch, 12, 12, 16];
  const filters = [12, 12, 9 * 16, 16];
  return [
    ...three('alexnet conv4', geometry(1, 1, 2), [
      [batch, 13, 13, 64],
      [3, 3, 32, 64],
      [batch, 13, 13, 64],
    ]),
    ...three('mobilenet stride 1', geometry(1, 1, 64), [volume, [3, 3, 1, 64], volume]),
    ...three('mobilenet stride 2', geometry(2, 1, 64), [volume, [3, 3, 1, 64], small]),
    // Doubling: the gradient by the data of stride 2.
    ...three('fcn upsampling', geometry(2, 1, 1), [volume, [4, 4, 64, 64], small]),
    work('locally connected', 'locallyConnected2d', window(3, 1, 1), {
      ...{ x: reads(local), w: reads(filters), b: reads([12, 12, 16]), y: writes(local) },
    }),
    work('locally connected', 'locallyConnected2dBackwardData', window(3, 1, 1), {
      ...{ dy: reads(local), w: reads(filters), dx: writes(local) },
    }),
    work('locally connected', 'locallyConnected2dBackwardFilter', window(3, 1, 1), {
      ...{ x: reads(local), dy: reads(local), dw: writes(filters), db: writes([12, 12, 16]) },
    }),
  ];
}

function pooling(): Work[] {
  const [x, y] = [volume, [batch, 14, 14, 64]];
  const overlapping = [batch, 13, 13, 64];
  return [
    ['l2 2/2', window(2, 2), y],
    ['l2 3/2', window(3, 2), overlapping],
  ].flatMap(([layer, attributes, out]) => [
    work(layer as string, 'l2Pool2d', attributes as Record<string, number>, {
      ...{ x: reads(x), y: writes(out as Shape) },
    }),
    work(layer as string, 'l2Pool2dBackward', attributes as Record<string, number>, {
      ...{ x: reads(x), y: reads(out as Shape), dy: reads(out as Shape), dx: writes(x) },
    }),
  ]);
}

/** Of 32 groups (arXiv:1803.08494), of one pixel a channel; AlexNet's response, cuda-convnet's contrast. */
function normalisation(): Work[] {
  const [x, y, vector] = [reads(volume), writes(volume), reads([64])];
  const works: Work[] = [];
  for (const groups of [1, 16, 64]) {
    const attributes = { groups, epsilon: 1e-5 };
    const statistics = [batch, groups];
    works.push(
      work(`${groups} groups`, 'groupNorm', attributes, {
        ...{ x, gamma: vector, beta: vector, y },
        ...{ groupMean: writes(statistics), groupVariance: writes(statistics) },
      }),
      work(`${groups} groups`, 'groupNormBackward', attributes, {
        ...{ x, gamma: vector, dy: x, dx: y, dgamma: writes([64]), dbeta: writes([64]) },
        ...{ groupMean: reads(statistics), groupVariance: reads(statistics) },
      }),
    );
  }
  const formula = { size: 5, scale: 1e-4, beta: 0.75, k: 2 };
  for (const region of [0, 1])
    works.push(
      work(`response norm ${region}`, 'localResponseNorm', { ...formula, region }, { x, y }),
      work(
        `response norm ${region}`,
        'localResponseNormBackward',
        { ...formula, region },
        {
          ...{ x, dy: x, dx: y },
        },
      ),
    );
  return [
    ...works,
    work('contrast norm', 'localContrastNorm', formula, { x, y }),
    work('contrast norm', 'localContrastNormBackward', formula, { x, dy: x, dx: y }),
    work(
      'frozen statistics',
      'batchNormFrozenBackward',
      { epsilon: 1e-5, momentum: 0.1 },
      {
        ...{ x, gamma: vector, mean: vector, variance: vector, dy: x, dx: y },
        ...{ dgamma: writes([64]), dbeta: writes([64]) },
      },
    ),
  ];
}

function losses(): Work[] {
  const classes = [64, 1000];
  const [logits, dx, vector] = [reads(classes), writes(classes), writes([64])];
  const labels = reads([64], 'int32');
  const weights = reads([1000]);
  const statistics = (n: number): Given => reads([n]);
  const svm = { ignoreLabel: -1, margin: 1, squared: 0 };
  const smooth = { ignoreLabel: -1, labelSmoothing: 0.1 };
  const huber = { kind: 2, delta: 1 };
  return [
    work('probabilities', 'softmax', { ignoreLabel: -1 }, { x: logits, y: dx }),
    work('svm', 'svmHinge', svm, { logits, labels, losses: vector, statistics: writes([4]) }),
    work('svm', 'svmHingeBackward', svm, { logits, labels, statistics: statistics(4), dx }),
    work('class weights', 'weightedCrossEntropy', smooth, {
      ...{ logits, labels, weights, losses: vector, statistics: writes([5]) },
    }),
    work('class weights', 'weightedCrossEntropyBackward', smooth, {
      ...{ logits, labels, weights, statistics: statistics(5), dx },
    }),
    work('soft targets', 'softCrossEntropy', smooth, {
      ...{ logits, target: logits, weights, losses: vector, statistics: writes([5]) },
    }),
    work('soft targets', 'softCrossEntropyBackward', smooth, {
      ...{ logits, target: logits, weights, statistics: statistics(5), dx },
    }),
    work('huber', 'elementLoss', huber, {
      ...{ x: logits, target: logits, losses: vector, statistics: writes([4]) },
    }),
    work('huber', 'elementLossBackward', huber, {
      ...{ x: logits, target: logits, statistics: statistics(4), dx },
    }),
  ];
}

/** A slab of four tensors: a large one, a bias, and two more, without gaps at 16 bytes. */
function optimizers(): Work[] {
  const counts = [40_000, 64, 20_000, 5_472];
  const slab = [counts.reduce((a, b) => a + b)];
  const one = 0x3f800000;
  const rows = counts.flatMap((count, i) => [
    counts.slice(0, i).reduce((a, b) => a + b, 0),
    count,
    one,
    0,
  ]);
  const table = (shape: Shape, contents: readonly number[]): Given => ({
    shape,
    dtype: 'int32',
    access: 'read',
    contents,
  });
  const segments = table([counts.length, 4], rows);
  const trusted = table([counts.length], [1, 0, 1, 1]);
  const step = (
    op: string,
    attributes: Record<string, number>,
    slots: string,
    more: Record<string, Given> = {},
  ): Work =>
    work(op, op, attributes, {
      ...{ gradients: reads(slab), segments, parameters: updates(slab) },
      ...Object.fromEntries(slots.split(' ').map((slot) => [slot, updates(slab)])),
      ...more,
    });
  const betas = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
  return [
    step('adam', betas, 'average square'),
    step('adam', betas, 'average square maximum'),
    step('rmsProp', { alpha: 0.99, epsilon: 1e-8 }, 'square'),
    step('rmsProp', { alpha: 0.99, epsilon: 1e-8, momentum: 0.9 }, 'square average momentum'),
    step('adagrad', { epsilon: 1e-10 }, 'sum'),
    step('adadelta', { rho: 0.9, epsilon: 1e-6 }, 'square delta'),
    step('lars', { momentum: 0.9, coefficient: 1e-3, epsilon: 1e-8 }, 'momentum', { trusted }),
    step('lamb', betas, 'average square', { trusted }),
    work(
      'average',
      'movingAverage',
      { decay: 0.999 },
      {
        ...{ parameters: reads(slab), averages: updates(slab) },
      },
    ),
    work('clipping', 'clipNorm', { most: 1 }, { gradients: reads(slab), clip: writes([2]) }),
    work('check', 'checkFinite', {}, { gradients: reads(slab) }),
    work('loss scale', 'scaleByLossScale', {}, { x: reads(slab), y: writes(slab) }),
  ];
}

export function otherLayers(): Work[] {
  return [
    ...elementwise(),
    ...maxout(2),
    ...maxout(5),
    ...geometry(),
    ...convolutions(),
    ...pooling(),
    ...normalisation(),
    ...losses(),
    ...optimizers(),
  ];
}
