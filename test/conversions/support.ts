import { load, Weights, type Network, type NetworkWithWeights } from '../../lib/index.js';
import { randomNumbers } from '../training/support.js';

/** Every parameter and statistic with numbers of its own, sized so that activations keep theirs. */
export function drawn(network: Network, seed = 1): NetworkWithWeights {
  const random = randomNumbers(seed);
  const weights = new Weights();
  for (const { name, spec } of network.parameters()) {
    const reach = spec.name === 'w' ? Math.sqrt(6 / spec.fanIn) : 0.5;
    const low = spec.name === 'variance' || spec.name === 'gamma' ? 0.5 : -reach;
    const length = spec.shape.reduce((a, b) => a * b, 1);
    const data = Float32Array.from({ length }, () => low + random() * (reach - low + 0.5));
    if (spec.name === 'w') for (const i of data.keys()) data[i] = (2 * random() - 1) * reach;
    weights.set(name, { dtype: 'float32', shape: spec.shape, data });
  }
  return { network, weights };
}

export function noise(length: number, seed = 7): Float32Array {
  const random = randomNumbers(seed);
  return Float32Array.from({ length }, () => 2 * random() - 1);
}

/** The network's outputs for these images, on the CPU. */
export async function outputsOf(
  source: NetworkWithWeights,
  images: Float32Array,
): Promise<{ data: Float32Array; shape: readonly number[] }> {
  await using model = await load(source, { device: 'cpu', batch: 4 });
  const { data, shape } = await model.predict(images);
  return { data: data as Float32Array, shape };
}

/** The largest difference of two arrays. */
export function farthest(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Infinity;
  let most = 0;
  // `!(d <= most)` lets NaN through.
  for (let i = 0; i < a.length; i += 1) {
    const d = Math.abs(a[i]! - b[i]!);
    if (!(d <= most)) most = d;
  }
  return most;
}

/** Windows of `size` at every `stride` pixels of a square image, row by row. */
export function crops(
  image: Float32Array,
  [side, channels]: readonly [number, number],
  size: number,
  stride: number,
): Float32Array {
  const steps = Math.floor((side - size) / stride) + 1;
  const result = new Float32Array(steps * steps * size * size * channels);
  let to = 0;
  for (let p = 0; p < steps; p += 1)
    for (let q = 0; q < steps; q += 1)
      for (let y = 0; y < size; y += 1) {
        const from = ((p * stride + y) * side + q * stride) * channels;
        result.set(image.subarray(from, from + size * channels), to);
        to += size * channels;
      }
  return result;
}
