import { printShape } from '../../graph/shape.js';
import type { Finding, Rule, WindowNode } from './finding.js';
import { isFirst } from './subject.js';

const square = ([h, w]: readonly [number, number]): string => `${h}x${w}`;

/**
 * "The input layer should be divisible by 2 many times": so that poolings fit. Where all windows do, as in AlexNet
 * (227, 55, 27, 13, 6), the size has been chosen well.
 */
export const inputSize: Rule = ({ network, summary, convolutions, poolings }) => {
  const [id] = network.inputs;
  const { name, shape } = network.nodes[id!]!;
  if (shape.length !== 3) return [];
  if ([...convolutions, ...poolings].every((window) => fits(window))) return [];
  const strides = summary.rows.map(({ receptiveField }) => receptiveField?.stride[0] ?? 0);
  const halvings = Math.floor(Math.log2(Math.max(1, ...strides)));
  const least = Math.min(twos(shape[0]!), twos(shape[1]!));
  if (least >= halvings) return [];
  const step = 2 ** halvings;
  const near = [Math.floor(shape[0]! / step), Math.ceil(shape[0]! / step)].map((n) => n * step);
  return [
    {
      rule: 'input-size',
      level: 'advice',
      layer: name,
      message: `the input ${printShape(shape)} can be halved ${least} times, the network makes it ${step} times smaller`,
      suggestion: `Use a size that is divisible by 2 many times: ${[...new Set(near)].filter((n) => n > 0).join(' or ')} are; 32, 64, 96, 224, 384 and 512 are common.`,
    },
  ];
};

function twos(n: number): number {
  return n % 2 === 0 ? 1 + twos(n / 2) : 0;
}

/** "Small filters (3x3 or at most 5x5)"; larger ones only on the first layer. */
export const largeFilter: Rule = ({ network, convolutions }) =>
  convolutions.flatMap(({ node, input, size, dilation }): Finding[] => {
    const largest = Math.max(...size);
    const first = isFirst(network, node);
    if (largest <= 5 || (first && largest <= 7) || wholePlane(input, size, dilation)) return [];
    const stack = Math.ceil((largest - 1) / 2);
    const [area, stacked] = [largest ** 2, 9 * stack];
    const channels = input[2]!;
    const numbers =
      `with C channels in and out, one ${largest}x${largest} layer has ${area}C^2 weights, a stack of ` +
      `${stack} 3x3 layers, which sees as much, ${stacked}C^2`;
    return [
      {
        rule: 'large-filter',
        level: 'advice',
        layer: node.name,
        message: `filters of ${square(size)} over ${channels} channels; ${numbers}`,
        suggestion: first
          ? `On the first layer large filters save memory when they come with a stride; 7x7 at stride 2 is the usual compromise.`
          : `Stack ${stack} layers of 3x3 with an activation after each: ${(area / stacked).toFixed(1)} times fewer weights and ${stack - 1} more nonlinearities.`,
      },
    ];
  });

/** A dense layer in the form of a convolution. */
function wholePlane(
  input: readonly number[],
  size: readonly [number, number],
  dilation: readonly [number, number],
): boolean {
  const covers = (axis: 0 | 1): boolean => (size[axis] - 1) * dilation[axis] + 1 >= input[axis]!;
  return covers(0) && covers(1);
}

/** "Padding the input volume with zeros in such way that the conv layer does not alter the dimensions." */
export const samePadding: Rule = ({ convolutions }) =>
  convolutions.flatMap(({ node, input, size, stride, dilation }): Finding[] => {
    const [h, w] = node.shape;
    const keeps = h === input[0] && w === input[1];
    if (Math.max(...stride) > 1 || keeps || wholePlane(input, size, dilation)) return [];
    const even = size.some((extent) => extent % 2 === 0);
    return [
      {
        rule: 'same-padding',
        level: 'advice',
        layer: node.name,
        message: `the convolution changes ${printShape(input)} to ${h}x${w}: what lies at the border is seen less with every layer`,
        suggestion: even
          ? "Use an odd filter size with padding (F - 1)/2, or padding: 'same'."
          : `Use padding ${size.map((extent, axis) => ((extent - 1) * dilation[axis]!) / 2).join('x')}, (F - 1)/2, or padding: 'same'.`,
      },
    ];
  });

/** "Stride of 1; downsampling is left to the POOL layers", but for the first layer. */
export const convolutionStride: Rule = ({ network, convolutions }) =>
  convolutions.flatMap(({ node, size, stride }): Finding[] => {
    if (Math.max(...stride) === 1 || isFirst(network, node)) return [];
    const skips = stride.some((step, axis) => step > size[axis]!);
    return [
      {
        rule: 'conv-stride',
        level: 'advice',
        layer: node.name,
        message: skips
          ? `filters of ${square(size)} at stride ${square(stride)} never read ${skipped(size, stride)} of their input`
          : `a convolution at stride ${square(stride)} beyond the first layer`,
        suggestion: skips
          ? 'Put the stride into a layer whose filters are as large as the stride, or average before.'
          : 'Stride 1 keeps sizes simple and leaves downsampling to pooling; residual networks stride on purpose.',
      },
    ];
  });

function skipped(size: readonly number[], stride: readonly number[]): string {
  const read = [0, 1].reduce((part, axis) => part * Math.min(1, size[axis]! / stride[axis]!), 1);
  return `${Math.round((1 - read) * 100)} %`;
}

/** Windows larger than 3, or so far apart that they skip pixels: "too lossy and aggressive". */
export const destructivePooling: Rule = ({ poolings }) =>
  poolings.flatMap((pooling): Finding[] => {
    const { node, input, size, stride } = pooling;
    const global = wholePlane(input, size, [1, 1]);
    const skips = stride.some((step, axis) => step > size[axis]!);
    const dropped = 1 - (node.shape[0]! * node.shape[1]!) / (input[0]! * input[1]!);
    if (global || (!skips && Math.max(...size) <= 3 && Math.max(...stride) <= 2)) return [];
    return [
      {
        rule: 'destructive-pooling',
        level: skips ? 'warning' : 'advice',
        layer: node.name,
        message: `pooling ${square(size)} at stride ${square(stride)} keeps ${percent(1 - dropped)} of the values${skips ? `, and ${skipped(size, stride)} of the pixels lie in no window` : ''}`,
        suggestion:
          'Pool 2x2 at stride 2, which discards 75 %, or 3x3 at stride 2; larger windows are usually too lossy.',
      },
    ];
  });

const percent = (part: number): string => `${(part * 100).toFixed(part < 0.1 ? 1 : 0)} %`;

/** Rows or columns that no window reads, by `fit: 'crop'`, or windows that hang over, by `'pad'`. */
export const looseWindows: Rule = ({ convolutions, poolings }) =>
  [...convolutions, ...poolings].flatMap((window): Finding[] => {
    const rest = restOf(window);
    if (rest === undefined) return [];
    return [
      {
        rule: 'loose-windows',
        level: 'advice',
        layer: window.node.name,
        message: `(W - F + 2P)/S + 1 is ${rest.outputs}, no whole number: windows of ${square(window.size)} at stride ${square(window.stride)} do not tile ${printShape(window.input)}: ${rest.effect}`,
        suggestion:
          'Choose sizes, padding or an input for which it is whole: windows then lie evenly, and read all there is.',
      },
    ];
  });

/** What the formula gives, and what becomes of it, along the first axis on which it is no whole number. */
interface Rest {
  readonly outputs: number;
  readonly effect: string;
}

function restOf({ node, input, size, stride, dilation }: WindowNode): Rest | undefined {
  const { padding } = node.layer!.options as { padding?: unknown };
  if (padding === 'same' || typeof padding !== 'object' || padding === null) return undefined;
  const { top, right, bottom, left } = padding as Record<string, number>;
  for (const [axis, name, before, after] of [
    [0, 'row', top!, bottom!],
    [1, 'column', left!, right!],
  ] as const) {
    const reach = (size[axis] - 1) * dilation[axis] + 1;
    const outputs = (input[axis]! - reach + before + after) / stride[axis] + 1;
    if (Number.isInteger(outputs)) continue;
    const given = node.shape[axis]!;
    const read = (given - 1) * stride[axis] + reach - before;
    // No more than lies between two windows: the stride is what skips it.
    if (read <= input[axis]! && input[axis]! + after - read <= stride[axis] - reach) continue;
    return {
      outputs: Number(outputs.toFixed(2)),
      effect: effectOf(input[axis]!, read, after, name),
    };
  }
  return undefined;
}

/** Windows read `read` of an axis and of the padding `after` it. */
function effectOf(extent: number, read: number, after: number, name: string): string {
  const counted = (n: number, what: string): string => `${n} ${what}${n === 1 ? '' : 's'}`;
  const alone = (n: number, what: string): string =>
    `${counted(n, what)} at the end ${n === 1 ? 'lies' : 'lie'} in none`;
  if (read > extent + after)
    return `the last ones hang ${counted(read - extent - after, name)} over the border`;
  return read >= extent
    ? alone(extent + after - read, `padded ${name}`)
    : alone(extent - read, name);
}

/** Windows tile the volume. */
function fits(window: WindowNode): boolean {
  const { input, node, stride } = window;
  if ((node.layer!.options as { padding?: unknown }).padding !== 'same')
    return restOf(window) === undefined;
  return [0, 1].every((axis) => input[axis]! % stride[axis]! === 0);
}
