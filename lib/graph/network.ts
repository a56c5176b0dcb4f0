import { customLoss, type LossFunction } from '../losses/custom.js';
import type { Loss } from '../losses/loss.js';
import { planNetwork, type PlanOptions } from '../program/plan-network.js';
import type { Plan } from '../program/plan.js';
import { summarize, type Summary, type SummaryOptions } from '../reports/summary.js';
import type { Trainer, TrainerOptions } from '../training/trainer.js';
import {
  checkAuxiliary,
  dropAuxiliary,
  readAuxiliary,
  type Auxiliary,
  type AuxiliaryOutput,
} from './auxiliary.js';
import { checkUnits, replaceHeads } from './heads.js';
import { nameNodes } from './naming.js';
import { networkFromJson, networkToJson, type NetworkJson } from './network-json.js';
import { invalid } from './options.js';
import type { Fit, Shape } from './shape.js';
import {
  collectParameters,
  completeNode,
  type NetworkNode,
  type NetworkParameter,
  type NodeDescription,
} from './nodes.js';
import { Value } from './value.js';

export type { Auxiliary, AuxiliaryOutput } from './auxiliary.js';
export type { NetworkNode, NetworkParameter } from './nodes.js';

export interface NetworkDescription {
  readonly fit: Fit;
  readonly nodes: readonly NodeDescription[];
  /** Nodes by id. */
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
  readonly auxiliary?: readonly AuxiliaryOutput[];
}

/**
 * A pure description of layers and how they connect: no weights, no device. Made by `sequential()` and
 * `network()`; it never changes.
 */
export class Network {
  /** In an order in which inputs come first. */
  readonly nodes: readonly NetworkNode[];
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
  /** Outputs that only training has, each with the weight of its loss. */
  readonly auxiliary: readonly AuxiliaryOutput[];
  readonly fit: Fit;
  readonly #parameters: readonly NetworkParameter[];

  constructor(description: NetworkDescription) {
    const nodes: NetworkNode[] = [];
    for (const [id, node] of description.nodes.entries())
      nodes.push(completeNode(id, node, nodes, description.fit));
    this.nodes = Object.freeze(nodes);
    this.inputs = Object.freeze([...description.inputs]);
    this.outputs = Object.freeze([...description.outputs]);
    this.auxiliary = Object.freeze([...(description.auxiliary ?? [])]);
    checkAuxiliary(nodes, this.outputs, this.auxiliary);
    this.fit = description.fit;
    this.#parameters = Object.freeze(collectParameters(nodes));
    Object.freeze(this);
  }

  /** Every parameter once, in the order of the layers; running statistics included. */
  parameters(): readonly NetworkParameter[] {
    return this.#parameters;
  }

  /** The nodes' volumes, parameters and memory as a table; prints with `String()`. */
  summary(options: SummaryOptions = {}): Summary {
    return summarize(this, options);
  }

  /** Plain data from which `Network.fromJSON` makes an equal network. */
  toJSON(): NetworkJson {
    return networkToJson(this);
  }

  /**
   * The network that `toJSON` described. The data may come from anywhere: all of it is checked.
   *
   * @throws FormatError for data that describe no network.
   */
  static fromJSON(json: unknown): Network {
    return networkFromJson(json);
  }

  /**
   * Where the memory of training (with an optimizer and a loss) or inference will go, to the byte. Needs
   * no device.
   *
   * @throws StriateError INVALID_ARGUMENT for a batch that is no positive whole number, and whatever
   * else training would refuse.
   */
  plan(options: NetworkPlanOptions): Plan {
    requireOptions(options, 'plan', '{ batch: 64 }');
    const { loss, target, ...rest } = options;
    const chosen = typeof loss === 'function' ? customLoss(loss, target) : loss;
    return planNetwork(this, chosen === undefined ? rest : { ...rest, loss: chosen });
  }

  /**
   * The network on a device, ready to learn. Loads the native addon when called, not before.
   *
   * @throws StriateError as the trainer documents: INVALID_ARGUMENT, NATIVE_ADDON_MISSING, ...
   */
  async trainer(options: TrainerOptions): Promise<Trainer> {
    const { Trainer } = await import('../training/trainer.js');
    return Trainer.create(this, options);
  }

  /**
   * The same network with another head: its last dense layer gets `units` outputs, its last convolution as
   * many filters where it ends in one (SqueezeNet, NIN, All-CNN, a fully convolutional network). The layer
   * is named `head`, so that its parameters are `head.w` and `head.b` and start afresh, by its own `init`,
   * while the others keep their names. The head of each auxiliary branch gets as many, and the name
   * `aux1/head`, `aux2/head`, ...
   *
   * @throws StriateError INVALID_ARGUMENT when no such layer ends the network.
   */
  replaceHead(options: { units: number }): Network {
    requireOptions(options, 'replaceHead', '{ units: 10 }');
    const { inputs, outputs, auxiliary, fit } = this;
    const nodes = replaceHeads(this, options.units);
    const network = new Network({ fit, inputs, outputs, auxiliary, nodes });
    checkUnits(network, options.units);
    return network;
  }

  /** The network as inference runs it: without the branches that only auxiliary outputs need. */
  withoutAuxiliary(): Network {
    return this.auxiliary.length === 0 ? this : new Network(dropAuxiliary(this));
  }
}

export interface NetworkPlanOptions extends Omit<PlanOptions, 'loss'> {
  loss?: Loss | LossFunction | 'external';
  /** What an own loss compares with; default: float32 numbers of the output's shape. */
  target?: { shape: Shape; dtype: 'float32' };
}

export interface NetworkOptions {
  /** For sizes that do not divide, where a layer has no `fit` of its own; default 'exact'. */
  fit?: Fit;
  /**
   * Outputs with the output's shape that are trained beside it, as GoogLeNet's classifiers in the middle:
   * the loss of training is that of the output plus the sum of `weight` times that of each. Inference,
   * evaluation and loaded models run without them; metrics are the output's.
   */
  auxiliary?: readonly Auxiliary[];
}

/**
 * The network between inputs and outputs: every layer that the outputs depend on.
 *
 * @throws ShapeError for volumes that do not fit; StriateError INVALID_ARGUMENT for an input that is
 * missing or unused, for two layers of one name, and for an auxiliary output of another shape.
 */
export function network(
  inputs: Value | readonly Value[],
  outputs: Value | readonly Value[],
  options: NetworkOptions = {},
): Network {
  const [from, to] = [listOf(inputs, 'inputs'), listOf(outputs, 'outputs')];
  const fit = readFit(options);
  const auxiliary = readAuxiliary(options.auxiliary ?? [], to);
  const values = reachable([...to, ...auxiliary.map(({ output }) => output)]);
  checkInputs(from, values);
  const loose = to.findIndex((value) => !value.batched);
  if (loose >= 0) {
    throw invalid(
      `output ${loose} is one number for the whole batch`,
      'A network gives an output an image; put mean() and sum() into the loss.',
    );
  }
  const names = nameNodes(values);
  const ids = new Map(values.map((value, id) => [value, id]));
  const idOf = (value: Value): number => ids.get(value)!;
  return new Network({
    fit,
    nodes: values.map((value, i) => ({
      name: names[i]!,
      layer: value.layer,
      inputs: value.inputs.map(idOf),
      ...(value.layer === null ? { shape: value.shape, dtype: value.dtype } : {}),
    })),
    inputs: from.map(idOf),
    outputs: to.map(idOf),
    auxiliary: auxiliary.map(({ output, weight }) => ({ output: idOf(output), weight })),
  });
}

function listOf(values: Value | readonly Value[], what: string): readonly Value[] {
  const list = values instanceof Value ? [values] : values;
  if (!Array.isArray(list) || list.length === 0 || !list.every((value) => value instanceof Value)) {
    throw invalid(
      `the ${what} of a network are Values`,
      'Give what input() and layers return, one or several.',
    );
  }
  if (new Set(list).size !== list.length)
    throw invalid(`one Value stands twice among the ${what}`, 'Name it once.');
  return list;
}

export function readFit({ fit = 'exact' }: NetworkOptions): Fit {
  if (fit === 'exact' || fit === 'crop' || fit === 'pad') return fit;
  throw invalid(`fit is '${String(fit)}'`, "Give 'exact', 'crop' or 'pad'.");
}

/** All that the outputs depend on, in the order of making. */
function reachable(outputs: readonly Value[]): Value[] {
  const found = new Set<Value>();
  const open = [...outputs];
  for (let value = open.pop(); value !== undefined; value = open.pop()) {
    if (found.has(value)) continue;
    found.add(value);
    open.push(...value.inputs);
  }
  return [...found].sort((a, b) => a.order - b.order);
}

function checkInputs(declared: readonly Value[], used: readonly Value[]): void {
  if (declared.some((value) => value.layer !== null)) {
    throw invalid(
      'an input of the network is the output of a layer',
      'Inputs are made by input().',
    );
  }
  const missing = used.find((value) => value.layer === null && !declared.includes(value));
  if (missing !== undefined) {
    throw invalid(
      `the outputs depend on an input [${missing.shape.join(', ')}] that is not among the network's inputs`,
      'List every input.',
    );
  }
  const unused = declared.find((value) => !used.includes(value));
  if (unused !== undefined) {
    throw invalid(
      `no output depends on the input [${unused.shape.join(', ')}]`,
      'Leave the input out, or use it.',
    );
  }
}

/** For callers in plain JavaScript. */
function requireOptions(options: unknown, method: string, example: string): void {
  if (typeof options !== 'object' || options === null)
    throw invalid(`${method} takes an object of options`, `For example ${method}(${example}).`);
}
