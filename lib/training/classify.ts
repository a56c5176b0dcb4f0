import { StriateError } from '../errors.js';
import { elementsOf, type Shape } from '../graph/shape.js';

export interface Classification {
  /** The class's name; its index as text where the network has no names. */
  label: string;
  index: number;
  /** Softmax of the outputs. */
  probability: number;
}

/** What `predict` returns: raw outputs. */
export interface Prediction {
  data: Float32Array | Float64Array;
  /** `[n, ...]` */
  shape: Shape;
}

export interface ClassifyOptions {
  /** How many classes an image, the most probable first; default 1. */
  top?: number;
}

/** Softmax over each image's outputs, the best `top` classes first; of equals the first. */
export function topClasses(
  { data, shape }: Prediction,
  classes: readonly string[] | undefined,
  top: number,
): Classification[][] {
  const [n = 0, ...rest] = shape;
  const count = elementsOf(rest);
  if (rest[rest.length - 1] !== count)
    throw new StriateError(
      'INVALID_ARGUMENT',
      `the outputs are [${rest.join(', ')}], not one number a class`,
      {
        remedy: 'Use predict(), or end the network in a vector of classes.',
      },
    );
  if (!Number.isInteger(top) || top < 1)
    throw new StriateError('INVALID_ARGUMENT', `top is a whole number above 0, got ${top}`);
  return Array.from({ length: n }, (_, image) => {
    const logits = data.subarray(image * count, (image + 1) * count);
    const probabilities = softmax(logits);
    return [...probabilities.keys()]
      .sort((a, b) => (probabilities[b] as number) - (probabilities[a] as number) || a - b)
      .slice(0, top)
      .map((index) => ({
        label: classes?.[index] ?? String(index),
        index,
        probability: probabilities[index] as number,
      }));
  });
}

function softmax(logits: Float32Array | Float64Array): Float64Array {
  const values = Float64Array.from(logits);
  const largest = values.reduce((a, b) => Math.max(a, b), -Infinity);
  const exponentials = values.map((v) => Math.exp(v - largest));
  const sum = exponentials.reduce((a, b) => a + b, 0);
  return exponentials.map((v) => v / sum);
}
