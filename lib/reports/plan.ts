import type { Plan } from '../program/plan.js';
import type { Category } from '../program/program.js';
import { printBytes } from './summary.js';
import { table } from './table.js';

/** A change that makes a plan smaller. */
export interface PlanChange {
  /** `sgd without momentum` */
  change: string;
  /** Bytes that the plan takes with it, at the same batch. */
  totalBytes: number;
  /** The largest batch that then fits. */
  largestBatch: number;
}

export interface PlanFit {
  /** Bytes of the device that the plan may take. */
  memory: number;
  fits: boolean;
  /** With micro-batches the largest of these; 0: not even one image. */
  largestBatch: number;
  /** What would make room, most bytes first. */
  changes: PlanChange[];
}

/** As the notes on convolutional networks count: parameters and what follows them, volumes, the rest. */
const groups: readonly {
  title: string;
  categories: readonly (readonly [Category | 'scratch', string])[];
}[] = [
  {
    title: 'parameters',
    categories: [
      ['parameters', 'the parameters'],
      ['gradients', 'their gradients'],
      ['optimizer', 'what the optimizer remembers'],
      ['state', 'running statistics'],
    ],
  },
  {
    title: 'volumes',
    categories: [
      ['activations', 'activations'],
      ['activationGradients', 'their gradients'],
    ],
  },
  {
    title: 'miscellaneous',
    categories: [
      ['input', 'two staged batches of input'],
      ['workspace', 'workspace of the ops'],
      ['scratch', 'scratch of the threads'],
    ],
  },
];

const mostLayers = 8;
const mostBuffers = 6;

/** A plan as text: bytes by purpose, the layers that take most, the peak, and whether it fits. */
export function printPlan(model: string, plan: Plan, fit: PlanFit | undefined): string {
  const what = plan.kind === 'infer' ? 'inference with' : 'training with';
  const lines = [
    `${model}: ${what} a batch of ${plan.batch}${inParts(plan)} takes ${exact(plan.totalBytes)}`,
    '',
    categoryTable(plan),
    '',
    layerTable(plan),
    '',
    `The peak of the arena is at instruction ${plan.peak.instruction}, ${plan.peak.label}; alive there:`,
    ...plan.peak.buffers
      .slice(0, mostBuffers)
      .map(
        ({ name, category, bytes }) => `  ${printBytes(bytes).padStart(9)}  ${name} (${category})`,
      ),
    ...more(plan.peak.buffers.length - mostBuffers, 'buffers'),
  ];
  return (fit === undefined ? lines : [...lines, '', ...fitLines(plan, fit)]).join('\n');
}

function inParts({ batch, microBatch }: Plan): string {
  return microBatch < batch ? `, ${microBatch} images at once,` : '';
}

function exact(bytes: number): string {
  return `${printBytes(bytes)} (${bytes.toLocaleString('en-US')} bytes)`;
}

function categoryTable({ categories, arena, totalBytes }: Plan): string {
  const share = (bytes: number): string => `${((100 * bytes) / totalBytes).toFixed(1)} %`;
  const rows = groups.flatMap(({ title, categories: parts }) =>
    parts
      .filter(([category]) => categories[category] > 0)
      .map(([category, words], i) => [
        i === 0 ? title : '',
        words,
        printBytes(categories[category]),
        share(categories[category]),
      ]),
  );
  const unused = ['', 'unused of the arena', printBytes(arena.unused), share(arena.unused)];
  return table(
    ['', 'what', 'memory', 'share'],
    arena.unused > 0 ? [...rows, unused] : rows,
    ['total', '', printBytes(totalBytes), ''],
    ['left', 'left', 'right', 'right'],
  );
}

/** Before anything shares memory: activations whose lives do not meet lie at the same place. */
function layerTable({ layers }: Plan): string {
  const largest = [...layers].filter(({ bytes }) => bytes > 0).sort((a, b) => b.bytes - a.bytes);
  const rows = largest
    .slice(0, mostLayers)
    .map((layer) => [
      layer.name,
      printBytes(layer.bytes),
      printBytes(layer.parameters + layer.gradients + layer.optimizer),
      printBytes(layer.activations + layer.activationGradients),
      printBytes(layer.workspace),
    ]);
  return [
    table(
      ['layers that take most', 'memory', 'parameters x n', 'volumes', 'workspace'],
      rows,
      undefined,
      ['left', 'right', 'right', 'right', 'right'],
    ),
    ...more(largest.length - mostLayers, 'layers'),
  ].join('\n');
}

function more(count: number, what: string): string[] {
  return count > 0 ? [`  and ${count} smaller ${what}`] : [];
}

function fitLines(plan: Plan, { memory, fits, largestBatch, changes }: PlanFit): string[] {
  const verdict = fits
    ? `It fits into ${printBytes(memory)}, and leaves ${printBytes(memory - plan.totalBytes)}.`
    : `It does not fit into ${printBytes(memory)}: ${printBytes(plan.totalBytes - memory)} too much.`;
  const largest =
    largestBatch === 0
      ? 'Not even a batch of one image fits.'
      : `The largest ${plan.microBatch < plan.batch ? 'micro-batch' : 'batch'} that fits: ${largestBatch}.`;
  return [
    `${verdict} ${largest}`,
    ...changes.map(
      ({ change, totalBytes, largestBatch: batch }) =>
        `  ${change}: ${printBytes(totalBytes)}, largest batch ${batch}`,
    ),
  ];
}
