import {
  avgPool2d,
  batchNorm,
  conv2d,
  convTranspose2d,
  dense,
  depthwiseConv2d,
  dropout,
  elu,
  gelu,
  globalAvgPool2d,
  globalMaxPool2d,
  hardSigmoid,
  hardSwish,
  l2Pool2d,
  leakyRelu,
  localResponseNorm,
  locallyConnected2d,
  maxout,
  maxPool2d,
  pad2d,
  prelu,
  relu,
  relu6,
  sigmoid,
  silu,
  softplus,
  tanh,
  upsample2d,
} from '../../layers/index.js';
import type { Layer } from '../layer.js';
import type { Sides } from '../shape.js';
import type { TermValues } from './syntax.js';

/** What a word may be followed by. */
export type ValueKind = 'pair' | 'whole' | 'real' | 'flag' | readonly string[];

/** One word of the grammar: what may follow it, the layer that it is, and the way back. */
export interface WordRule {
  /** In the order in which they are printed. `size` and `count` stand without a name. */
  readonly values: Readonly<Record<string, ValueKind>>;
  layer(values: TermValues, defaults: TermDefaults): Layer;
  /** The values that make this layer again; undefined for one that the word cannot say. */
  valuesOf(layer: Layer, defaults: TermDefaults): TermValues | undefined;
}

/** What a term that leaves its size out is. */
export interface TermDefaults {
  /** Filters of a `CONV`. */
  readonly filters: number;
  /** Units of an `FC`. */
  readonly units: number;
}

type Options = Readonly<Record<string, unknown>>;

const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

/** Whether the layer is what the term makes of these values: nothing else of it was set. */
function says(rule: WordRule, values: TermValues, layer: Layer, defaults: TermDefaults): boolean {
  const made = rule.layer(values, defaults);
  return made.kind === layer.kind && same(made.options, layer.options);
}

/** Numbers are written with digits and a point: neither signs nor exponents. */
function canSay(value: TermValues[string]): boolean {
  return typeof value !== 'number' || /^\d+(\.\d+)?$/.test(String(value));
}

function word(
  values: WordRule['values'],
  layer: WordRule['layer'],
  read: (layer: Layer) => TermValues | undefined,
): WordRule {
  const rule: WordRule = {
    values,
    layer,
    valuesOf(candidate, defaults) {
      const found = read(candidate);
      if (found === undefined) return undefined;
      const bare = Object.fromEntries(
        Object.entries(found).filter(([, value]) => value !== undefined),
      ) as TermValues;
      if (Object.values(bare).some((value) => !canSay(value))) return undefined;
      return says(rule, bare, candidate, defaults) ? bare : undefined;
    },
  };
  return rule;
}

/** A layer that takes nothing. */
const plain = (make: () => Layer): WordRule => {
  const { kind } = make();
  return word({}, make, (layer) => (layer.kind === kind ? {} : undefined));
};

const unlessOne = (pair: unknown): unknown => (same(pair, [1, 1]) ? undefined : pair);

/** Padding as the grammar says it: nothing for the usual, `valid`, or `pad`. */
function paddingWords(padding: unknown, usual: 'same' | 'valid'): object {
  if (padding === 'same') return usual === 'same' ? {} : { same: true };
  const { top, left } = padding as Sides;
  if (same(padding, { top: 0, right: 0, bottom: 0, left: 0 }))
    return usual === 'valid' ? {} : { valid: true };
  return { pad: [top, left] };
}

const convolution = word(
  {
    size: 'pair',
    count: 'whole',
    stride: 'pair',
    pad: 'pair',
    valid: 'flag',
    dilation: 'pair',
    groups: 'whole',
    nobias: 'flag',
    fit: ['crop', 'pad'],
  },
  ({ size = [3, 3], count, pad, valid, nobias, ...rest }, { filters }) =>
    conv2d({
      filters: count ?? filters,
      size,
      padding: pad ?? (valid === true ? 'valid' : 'same'),
      ...(nobias === true ? { bias: false } : {}),
      ...rest,
    } as Parameters<typeof conv2d>[0]),
  ({ kind, options }) => {
    if (kind !== 'conv2d') return undefined;
    const { size, filters, stride, padding, dilation, groups, bias, fit } = options as Options;
    return {
      size,
      count: filters,
      stride: unlessOne(stride),
      ...paddingWords(padding, 'same'),
      dilation: unlessOne(dilation),
      groups: groups === 1 ? undefined : groups,
      nobias: bias === false ? true : undefined,
      fit,
    } as TermValues;
  },
);

/** Filters that slide like those of `CONV`, padded to keep the size; `usual` is the count left out. */
function sliding(
  kind: string,
  counted: string,
  more: WordRule['values'],
  make: (options: object) => Layer,
  usual: (defaults: TermDefaults) => number,
): WordRule {
  return word(
    { size: 'pair', count: 'whole', stride: 'pair', pad: 'pair', valid: 'flag', ...more },
    ({ size = [3, 3], count, pad, valid, nobias, ...rest }, defaults) =>
      make({
        [counted]: count ?? usual(defaults),
        size,
        padding: pad ?? (valid === true ? 'valid' : 'same'),
        ...(nobias === true ? { bias: false } : {}),
        ...rest,
      }),
    (layer) => {
      if (layer.kind !== kind) return undefined;
      const options = layer.options as Options;
      return {
        size: options.size,
        count: options[counted],
        stride: unlessOne(options.stride),
        ...paddingWords(options.padding, 'same'),
        ...('dilation' in more ? { dilation: unlessOne(options.dilation) } : {}),
        ...('groups' in more && options.groups !== 1 ? { groups: options.groups } : {}),
        nobias: options.bias === false ? true : undefined,
        ...('fit' in more ? { fit: options.fit } : {}),
      } as TermValues;
    },
  );
}

const windowFit = ['crop', 'pad'] as const;

const depthwise = sliding(
  'depthwiseConv2d',
  'multiplier',
  { dilation: 'pair', nobias: 'flag', fit: windowFit },
  (options) => depthwiseConv2d(options as Parameters<typeof depthwiseConv2d>[0]),
  () => 1,
);

const transposed = sliding(
  'convTranspose2d',
  'filters',
  { dilation: 'pair', groups: 'whole', nobias: 'flag' },
  (options) => convTranspose2d(options as Parameters<typeof convTranspose2d>[0]),
  ({ filters }) => filters,
);

const local = sliding(
  'locallyConnected2d',
  'filters',
  { nobias: 'flag', fit: windowFit },
  (options) => locallyConnected2d(options as Parameters<typeof locallyConnected2d>[0]),
  ({ filters }) => filters,
);

const padded = word(
  { size: 'pair', reflect: 'flag', replicate: 'flag' },
  ({ size = [1, 1], reflect, replicate }) =>
    pad2d({
      padding: size as [number, number],
      mode: reflect === true ? 'reflect' : replicate === true ? 'replicate' : 'constant',
    }),
  ({ kind, options }) => {
    if (kind !== 'pad2d') return undefined;
    const { padding, mode } = options as Options & { padding: Sides };
    return {
      size: [padding.top, padding.left],
      reflect: mode === 'reflect' ? true : undefined,
      replicate: mode === 'replicate' ? true : undefined,
    } as TermValues;
  },
);

const enlarged = word(
  { size: 'pair', bilinear: 'flag', aligned: 'flag' },
  ({ size = [2, 2], bilinear, aligned }) =>
    upsample2d({
      scale: size as [number, number],
      mode: bilinear === true || aligned === true ? 'bilinear' : 'nearest',
      alignCorners: aligned === true,
    }),
  ({ kind, options }) => {
    if (kind !== 'upsample2d') return undefined;
    const { scale, mode, alignCorners } = options as Options;
    return {
      size: scale,
      bilinear: mode === 'bilinear' && alignCorners === false ? true : undefined,
      aligned: alignCorners === true ? true : undefined,
    } as TermValues;
  },
);

/** What a window gives: its maximum, unless a word says otherwise. */
const poolings = { max: maxPool2d, avg: avgPool2d, l2: l2Pool2d } as const;
const poolingKinds = new Set(['maxPool2d', 'avgPool2d', 'l2Pool2d']);

const pooling = word(
  {
    avg: 'flag',
    l2: 'flag',
    global: 'flag',
    size: 'pair',
    stride: 'pair',
    pad: 'pair',
    same: 'flag',
    fit: ['crop', 'pad'],
  },
  ({ avg, l2, global, size = [2, 2], pad, same: padded, ...rest }) => {
    if (global === true) return avg === true ? globalAvgPool2d() : globalMaxPool2d();
    const make = poolings[avg === true ? 'avg' : l2 === true ? 'l2' : 'max'];
    const padding = pad ?? (padded === true ? 'same' : undefined);
    return make({
      size,
      ...(padding === undefined ? {} : { padding }),
      ...rest,
    } as Parameters<typeof maxPool2d>[0]);
  },
  ({ kind, options }) => {
    if (kind === 'globalAvgPool2d') return { avg: true, global: true };
    if (kind === 'globalMaxPool2d') return { global: true };
    if (!poolingKinds.has(kind)) return undefined;
    const { size, stride, padding, fit } = options as Options;
    return {
      avg: kind === 'avgPool2d' ? true : undefined,
      l2: kind === 'l2Pool2d' ? true : undefined,
      size: same(size, [2, 2]) ? undefined : size,
      stride,
      ...paddingWords(padding, 'valid'),
      fit,
    } as TermValues;
  },
);

const fullyConnected = word(
  { count: 'whole', nobias: 'flag' },
  ({ count, nobias }, { units }) =>
    dense({ units: Number(count ?? units), ...(nobias === true ? { bias: false } : {}) }),
  ({ kind, options }) =>
    kind === 'dense'
      ? ({
          count: (options as Options).units,
          nobias: (options as Options).bias === false ? true : undefined,
        } as TermValues)
      : undefined,
);

const dropping = word(
  { count: 'real' },
  ({ count = 0.5 }) => dropout({ rate: Number(count) }),
  ({ kind, options }) => (kind === 'dropout' ? { count: options.rate as number } : undefined),
);

/** One number as an option, `LEAKYRELU 0.2`, left out where it is the usual one. */
function withNumber(option: string, usual: number, make: (given: object) => Layer): WordRule {
  const { kind } = make({});
  return word(
    { count: 'real' },
    ({ count }) => make(count === undefined ? {} : { [option]: count }),
    (layer) => {
      if (layer.kind !== kind) return undefined;
      const number = (layer.options as Options)[option] as number;
      return number === usual ? {} : { count: number };
    },
  );
}

const softPlus = word(
  { beta: 'real', threshold: 'real' },
  (values) => softplus(values),
  ({ kind, options }) => {
    if (kind !== 'softplus') return undefined;
    const { beta, threshold } = options as Options;
    return {
      beta: beta === 1 ? undefined : beta,
      threshold: threshold === 20 ? undefined : threshold,
    } as TermValues;
  },
);

const gaussianUnit = word(
  { tanh: 'flag' },
  (values) => gelu(values.tanh === true ? { approximate: 'tanh' } : {}),
  ({ kind, options }) =>
    kind === 'gelu'
      ? ({ tanh: options.approximate === 'tanh' ? true : undefined } as TermValues)
      : undefined,
);

const parametric = word(
  { count: 'real', shared: 'flag' },
  ({ count, shared }) =>
    prelu({
      ...(count === undefined ? {} : { init: Number(count) }),
      ...(shared === true ? { shared: true } : {}),
    }),
  ({ kind, options }) => {
    if (kind !== 'prelu') return undefined;
    const { init, shared } = options as Options;
    return {
      count: init === 0.25 ? undefined : init,
      shared: shared === true ? true : undefined,
    } as TermValues;
  },
);

/** Local response normalisation over five channels, as Caffe and PyTorch have it unless words say otherwise. */
const responseNorm = word(
  {
    count: 'whole',
    within: 'flag',
    alpha: 'real',
    beta: 'real',
    k: 'real',
    undivided: 'flag',
  },
  ({ count = 5, within, undivided, ...rest }) =>
    localResponseNorm({
      size: Number(count),
      ...(within === true ? { region: 'within' } : {}),
      ...(undivided === true ? { divideAlpha: false } : {}),
      ...rest,
    }),
  ({ kind, options }) => {
    if (kind !== 'localResponseNorm') return undefined;
    const { size, region, alpha, beta, k, divideAlpha } = options as Options;
    // The grammar has no powers of ten.
    if ([alpha, beta, k].some((value) => String(value).includes('e'))) return undefined;
    return {
      count: size === 5 ? undefined : size,
      within: region === 'within' ? true : undefined,
      alpha: alpha === 1e-4 ? undefined : alpha,
      beta: beta === 0.75 ? undefined : beta,
      k: k === 1 ? undefined : k,
      undivided: divideAlpha === false ? true : undefined,
    } as TermValues;
  },
);

const largestOf = word(
  { count: 'whole' },
  ({ count = 2 }) => maxout({ pieces: Number(count) }),
  ({ kind, options }) => (kind === 'maxout' ? { count: options.pieces as number } : undefined),
);

/** The words of the grammar. */
export const words: Readonly<Record<string, WordRule>> = {
  CONV: convolution,
  DWCONV: depthwise,
  TCONV: transposed,
  LOCAL: local,
  POOL: pooling,
  PAD: padded,
  UPSAMPLE: enlarged,
  FC: fullyConnected,
  RELU: plain(relu),
  RELU6: plain(relu6),
  LEAKYRELU: withNumber('slope', 0.01, leakyRelu),
  PRELU: parametric,
  ELU: withNumber('alpha', 1, elu),
  SIGMOID: plain(sigmoid),
  TANH: plain(tanh),
  SOFTPLUS: softPlus,
  SILU: plain(silu),
  GELU: gaussianUnit,
  HARDSWISH: plain(hardSwish),
  HARDSIGMOID: plain(hardSigmoid),
  MAXOUT: largestOf,
  BN: plain(batchNorm),
  NORM: responseNorm,
  DROPOUT: dropping,
};
