import { ShapeError } from '../../errors.js';
import { checkNames, invalid } from '../options.js';
import { network, type Network } from '../network.js';
import type { Fit } from '../shape.js';
import { inferShape, input, type Value } from '../value.js';
import { errorAt } from './error.js';
import { fold } from './fold.js';
import { parseArchitecture } from './parse.js';
import { printArchitecture } from './print.js';
import type { Architecture, Item, Term } from './syntax.js';
import { words, type TermDefaults } from './terms.js';

export interface ArchitectureOptions {
  /** How often the groups with these letters stand; they go before the text's own `with`. */
  N?: number;
  M?: number;
  K?: number;
  /** Whether `POOL?` is there; default true. */
  pool?: boolean;
  /** For sizes that do not divide; default: what the text says, or 'exact'. */
  fit?: Fit;
  /** The input where the text leaves it out; default `[32, 32, 3]`. */
  input?: readonly [number, number, number];
  /** Filters of a `CONV` that names none; default 32. */
  filters?: number;
  /** Units of an `FC` that names none, but for the last; default 256. */
  units?: number;
  /** Units of the last `FC` when it names none; default 10. */
  classes?: number;
}

const optionNames = ['N', 'M', 'K', 'pool', 'fit', 'input', 'filters', 'units', 'classes'];

/** More layers than this are a mistake in a repetition. */
const mostLayers = 10_000;

/**
 * The network that a text describes, in the notation of the CS231n notes:
 *
 * `INPUT 32x32x3 -> [CONV 3x3 32 -> RELU]*2 -> POOL -> [FC 256 -> RELU]*2 -> FC 10`
 *
 * Layers: `CONV 3x3 32` (filter size, filters; `stride 2`, `pad 1`, `valid`, `dilation 2`, `groups 2`,
 * `nobias`, `fit crop`; padded to keep the size unless told otherwise), `POOL` (2x2 maximum, stride 2;
 * `POOL avg 3x3 stride 2`, `POOL l2`, `POOL global`, `POOL avg global`), `FC 10`, `BN`, `DROPOUT 0.5`.
 * Likewise `DWCONV 3x3 1` (depthwise; filters a channel), `TCONV 3x3 32` (transposed), `LOCAL 3x3 32` (locally
 * connected), `PAD 1x1` (`reflect`, `replicate`), `UPSAMPLE 2x2` (`bilinear`, `aligned`).
 * `NORM 5` is local response normalisation (`within`, `alpha 0.001`, `beta 0.5`, `k 2`, `undivided`).
 * Activations: `RELU`, `RELU6`, `LEAKYRELU 0.01` (slope), `PRELU 0.25 shared`, `ELU 1`, `SIGMOID`, `TANH`,
 * `SOFTPLUS beta 1 threshold 20`, `SILU`, `GELU` (`GELU tanh`), `HARDSWISH`, `HARDSIGMOID`, and `MAXOUT 2`
 * (pieces); numbers may be left out for these. A group `[...]*2` stands as often as said, also 0 times, and
 * may hold groups; `*N` takes its number from the options or from `with N=2` at the end; `POOL?` may be
 * switched off by `with POOL?=no`.
 *
 * @throws StriateError INVALID_ARGUMENT or INVALID_SHAPE, pointing at the character
 * (`details.position`, from 0).
 */
export function architecture(text: string, options: ArchitectureOptions = {}): Network {
  if (typeof text !== 'string')
    throw invalid('an architecture is a text', "Write architecture('INPUT 32x32x3 -> FC 10').");
  checkNames('architecture', optionNames, options);
  const tree = parseArchitecture(text);
  const terms = unfold(text, tree, options);
  const bound = tree.bindings.find(({ name }) => name === 'fit')?.value as Fit | undefined;
  const fit = options.fit ?? bound ?? 'exact';
  const { filters = 32, units = 256, classes = 10 } = options;
  const last = terms.findLastIndex((term) => term.word === 'FC');
  const x = inputOf(tree.input, options.input ?? [32, 32, 3]);
  let y: Value = x;
  let shape = x.shape;
  for (const [i, term] of terms.entries()) {
    const defaults: TermDefaults = { filters, units: i === last ? classes : units };
    try {
      const layer = words[term.word]!.layer(term.values, defaults);
      y = layer(y);
      shape = inferShape(layer, term.word, [{ shape, batched: true }], fit);
    } catch (error) {
      throw pointed(text, term, error);
    }
  }
  return network(x, y, { fit });
}

/**
 * The shortest text that describes a network, so that `architecture(printed)` gives an equal one, but for
 * names that the user gave.
 *
 * @throws StriateError INVALID_ARGUMENT for branches, and for layers or options that the grammar cannot
 * say.
 */
export function printNetwork(net: Network): string {
  const [entry, ...nodes] = net.nodes;
  const chain =
    net.inputs.length === 1 &&
    net.outputs.length === 1 &&
    net.outputs[0] === net.nodes.length - 1 &&
    nodes.every((node, i) => node.inputs.length === 1 && node.inputs[0] === i);
  if (!chain) throw invalid('the network has branches', 'Use toJSON(), which holds every network.');
  const terms = nodes.map(({ name, layer }): Term => {
    for (const [word, rule] of Object.entries(words)) {
      const values = rule.valuesOf(layer!, { filters: 32, units: 256 });
      if (values !== undefined) return { kind: 'term', word, values, optional: false, at: 0 };
    }
    throw invalid(
      `the grammar has no words for ${name} (${layer!.kind}) with these options`,
      'Use toJSON(), which holds every network.',
    );
  });
  const size = entry!.shape.join('x');
  if (entry!.shape.length === 2)
    throw invalid(
      'the input has two extents',
      'Use an input [height, width, channels] or [features].',
    );
  return printArchitecture({
    input: { kind: 'term', word: 'INPUT', values: { size }, optional: false, at: 0 },
    items: fold(terms),
    bindings: net.fit === 'exact' ? [] : [{ name: 'fit', value: net.fit }],
  });
}

function inputOf({ values }: Term, standard: readonly number[]): Value {
  return input(values.size === undefined ? standard : String(values.size).split('x').map(Number));
}

/** The layers one after another: groups repeated, optional ones there or not. */
function unfold(text: string, tree: Architecture, options: ArchitectureOptions): Term[] {
  const bindings = new Map(tree.bindings.map(({ name, value }) => [name, value]));
  for (const letter of ['N', 'M', 'K'] as const)
    if (options[letter] !== undefined) bindings.set(letter, checkTimes(letter, options[letter]));
  if (options.pool !== undefined) bindings.set('POOL?', options.pool ? 'yes' : 'no');
  const unused = [...bindings.keys()].find((name) => !namesIn(tree).has(name));
  if (unused !== undefined)
    throw errorAt(
      text,
      Math.max(0, text.lastIndexOf(`${unused}=`)),
      `nothing in the text is ${unused}`,
      unused.endsWith('?')
        ? `Write ${unused} for a layer that may be left out.`
        : `Repeat a group by *${unused}, or leave ${unused} out.`,
    );
  const terms: Term[] = [];
  const walk = (items: readonly Item[]): void => {
    for (const item of items) {
      if (item.kind === 'term') {
        if (item.optional && bindings.get(`${item.word}?`) === 'no') continue;
        terms.push(item);
        if (terms.length > mostLayers)
          throw errorAt(text, item.at, `there are more than ${mostLayers} layers`, 'Repeat less.');
        continue;
      }
      const times = typeof item.times === 'number' ? item.times : bindings.get(item.times);
      if (times === undefined)
        throw errorAt(
          text,
          item.at,
          `nothing says how often this group stands: ${item.times} has no number`,
          `End the text with: with ${item.times}=2, or give the option ${item.times}.`,
        );
      for (let i = 0; i < Number(times) && item.items.length > 0; i += 1) {
        const before = terms.length;
        walk(item.items);
        // A group of nothing stays nothing, however often.
        if (terms.length === before) break;
      }
    }
  };
  walk(tree.items);
  if (terms.length === 0)
    throw errorAt(text, 0, 'there is no layer left', 'Repeat a group at least once.');
  return terms;
}

/** What bindings may name: letters of repetition, optional layers, and how windows fit. */
function namesIn({ items }: Architecture): ReadonlySet<string> {
  const names = new Set(['fit']);
  const walk = (item: Item): void => {
    if (item.kind === 'group') {
      if (typeof item.times === 'string') names.add(item.times);
      item.items.forEach(walk);
    } else if (item.optional) names.add(`${item.word}?`);
  };
  items.forEach(walk);
  return names;
}

function checkTimes(letter: string, times: number): number {
  if (Number.isInteger(times) && times >= 0) return times;
  throw invalid(`architecture: ${letter} is ${times}`, 'Give a whole number from 0.');
}

function pointed(text: string, term: Term, error: unknown): unknown {
  if (!(error instanceof Error) || !('code' in error)) return error;
  const { message, remedy } = error as Error & { remedy?: string };
  const code = error instanceof ShapeError ? 'INVALID_SHAPE' : 'INVALID_ARGUMENT';
  return errorAt(text, term.at, message, remedy ?? 'Change this layer.', { code, cause: error });
}
