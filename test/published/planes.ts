// Volumes as other libraries' tests write them: plane by plane, channels second.
import type { Device } from '../../lib/runtime/device.js';
import type { Tensor } from '../../lib/runtime/tensor.js';

export type Plane = readonly (readonly number[])[];

/** `images` images of `channels` channels, each of them the plane. */
export function repeated(device: Device, plane: Plane, images = 1, channels = 1): Promise<Tensor> {
  const pixels = plane.flat().flatMap((value) => new Array<number>(channels).fill(value));
  const data = Float32Array.from(Array.from({ length: images }, () => pixels).flat());
  return device.tensor(data, [images, plane.length, plane[0]!.length, channels]);
}

/** The planes of a tensor, image by image and channel by channel. */
export async function planesOf(tensor: Tensor): Promise<number[][][]> {
  const [n, height, width, channels] = tensor.shape as [number, number, number, number];
  const data = await tensor.read();
  return Array.from({ length: n * channels }, (_, i) =>
    Array.from({ length: height }, (_, h) =>
      Array.from({ length: width }, (_, w) => {
        const pixel = (Math.floor(i / channels) * height + h) * width + w;
        return Number(data[pixel * channels + (i % channels)]);
      }),
    ),
  );
}
