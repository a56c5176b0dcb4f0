import type { Builder } from './builder.js';
import { graphOf, type RebuildGraph } from './recompute-graph.js';
import { Chooser, type Choice } from './recompute-choice.js';
import type { Again, Instance, Schedule } from './recompute-schedule.js';
import type { Access } from './program.js';
import { makeStep, type Step, type TapeOperand } from './tape.js';
import type { Storage, Tensor } from './tensor.js';

type Kept = readonly { tensor: Tensor; readonly access: Access }[];

/**
 * Sizes are weighed as in a batch of so many, whatever the planned one is: then programs of one network
 * differ in nothing but it, and a plan knows the bytes of another batch.
 */
const usualBatch = 32;

/**
 * The same program with values dropped after the forward pass and made again in the backward pass. `choose`
 * decides which.
 */
export function rebuild(
  builder: Builder,
  steps: readonly Step[],
  kept: Kept,
  { choose, batch = usualBatch }: Decision,
): Step[] {
  const graph = graphOf(batch, steps, kept);
  if (graph.forward === steps.length || graph.values.length === 0) return [...steps];
  const chooser = new Chooser(graph);
  return emit(builder, graph, chooser.schedule(choose(chooser).kept));
}

/** How it is decided what is kept, and for a batch of how many. */
export interface Decision {
  readonly choose: (chooser: Chooser) => Choice;
  readonly batch?: number;
}

/** The steps of a schedule, each instance in a storage of its own. */
function emit(builder: Builder, graph: RebuildGraph, { agains, reads }: Schedule): Step[] {
  const { nodes, values, forward, byStorage } = graph;
  const storages = new Map<Instance, Storage>();
  const storageOf = (instance: Instance): Storage => {
    let storage = storages.get(instance);
    if (storage === undefined) {
      storage = copyOf(builder, values[instance.value]!.storage);
      storages.set(instance, storage);
    }
    return storage;
  };
  const moved = (tensor: Tensor, from: ReadonlyMap<number, Instance> | undefined): Tensor => {
    const value = byStorage.get(tensor.storage);
    const instance = value && from?.get(value.index);
    return instance === undefined ? tensor : { ...tensor, storage: storageOf(instance) };
  };
  const steps: Step[] = nodes.slice(0, forward).map(({ step }) => step);
  let next = 0;
  for (let i = forward; i < nodes.length; i++) {
    for (; next < agains.length && agains[next]!.before === i; next++)
      steps.push(again(builder, graph, agains[next]!, moved));
    const { step } = nodes[i]!;
    for (const operand of step.operands.values())
      if (operand.access === 'read') operand.tensor = moved(operand.tensor, reads.get(i));
    steps.push(step);
  }
  return steps;
}

type Moved = (tensor: Tensor, from: ReadonlyMap<number, Instance> | undefined) => Tensor;

/** One step of the forward pass once more, in the lesser form where its op has one. */
function again(
  builder: Builder,
  { nodes, byStorage }: RebuildGraph,
  { node, reads, writes }: Again,
  moved: Moved,
): Step {
  const { step } = nodes[node]!;
  const { layer } = step;
  const place = { layer, phase: 'backward' } as const;
  const { rebuild: form } = step.op;
  if (form !== undefined) {
    const saved = form.saved.map((name) => [name, savedOutput(builder, step, name)] as const);
    const operands: Record<string, Tensor> = Object.fromEntries(saved);
    for (const { name, role } of form.op.operands) {
      const operand = step.operands.get(name);
      if (operand !== undefined)
        operands[name] = moved(operand.tensor, role === 'in' ? reads : writes);
    }
    return makeStep(form.op, step.attributes, operands, place);
  }
  const operands = new Map<string, TapeOperand>();
  for (const [name, { tensor, access }] of step.operands) {
    if (access === 'read') {
      operands.set(name, { tensor: moved(tensor, reads), access });
      continue;
    }
    const value = byStorage.get(tensor.storage);
    const wanted = value !== undefined && writes.has(value.index);
    if (value?.optional === true && !wanted) continue;
    const target = wanted
      ? moved(tensor, writes)
      : { ...tensor, storage: copyOf(builder, tensor.storage) };
    operands.set(name, { tensor: target, access });
  }
  return { op: step.op, attributes: step.attributes, operands, ...place };
}

/** An optional output of the forward pass, asked for now. */
function savedOutput(builder: Builder, step: Step, name: string): Tensor {
  const known = step.operands.get(name);
  if (known !== undefined) return known.tensor;
  const { tensor: like } = step.operands.get(step.op.rebuild!.like)!;
  const tensor = builder.tensor(like.shape, like.batched, {
    name: `${step.layer}.${name}`,
    dtype: like.dtype,
    category: 'activations',
  });
  step.operands.set(name, { tensor, access: 'overwrite' });
  return tensor;
}

function copyOf(builder: Builder, { name, dtype, category, fixed, perImage }: Storage): Storage {
  const again = category === 'activations' ? `${name}.again` : name;
  return builder.storage({ name: again, dtype, category, fixed, perImage });
}
