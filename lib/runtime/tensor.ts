/// <reference lib="esnext.disposable" preserve="true" />
import type { NativeBuffer } from '../../typings/native.js';
import { StriateError } from '../errors.js';
import { bytesOf, type DType } from '../program/program.js';
import type { Device } from './device.js';
import { elementsOver, type Elements } from './elements.js';
import { native, nativeAsync } from './errors.js';
import { traceTensor } from './trace.js';

/**
 * Numbers in a device's memory. Made by `device.tensor()` and by eager ops. Call `dispose()` (or declare
 * it with `using`) when it is no longer needed; the garbage collector is only a net.
 */
export class Tensor {
  readonly device: Device;
  /** Extents, the batch included. */
  readonly shape: readonly number[];
  readonly dtype: DType;
  readonly #buffer: NativeBuffer;
  readonly #forget: (() => void) | undefined;

  /** @internal */
  constructor(device: Device, shape: readonly number[], dtype: DType, buffer: NativeBuffer) {
    this.device = device;
    this.shape = Object.freeze([...shape]);
    this.dtype = dtype;
    this.#buffer = buffer;
    const description = { device: device.name, shape: this.shape, dtype, bytes: this.#bytes };
    this.#forget = traceTensor(this, description, () => !device.closed && !buffer.disposed);
  }

  /** Number of elements. */
  get size(): number {
    return this.shape.reduce((a, b) => a * b, 1);
  }

  get disposed(): boolean {
    return this.#buffer.disposed;
  }

  /**
   * The memory, for ops.
   *
   * @internal
   */
  get buffer(): NativeBuffer {
    if (!this.#buffer.disposed) return this.#buffer;
    throw new StriateError(
      'DISPOSED',
      `a tensor of shape [${this.shape.join(', ')}] was used after it was disposed`,
      { remedy: 'Dispose of a tensor after its last use, and close the device after its tensors.' },
    );
  }

  /**
   * A copy of the elements, after all that was queued before; of 16-bit types their bits.
   *
   * @throws StriateError DISPOSED
   */
  async read(): Promise<Elements> {
    const { buffer } = this;
    return elementsOver(this.dtype, await nativeAsync(() => buffer.read(0, this.#bytes)));
  }

  /**
   * The same, blocking the thread until the device has done what was queued before.
   *
   * @throws StriateError DISPOSED
   */
  readSync(): Elements {
    const { buffer } = this;
    return elementsOver(
      this.dtype,
      native(() => buffer.readSync(0, this.#bytes)),
    );
  }

  /** Gives the memory back when the work queued before has run. Twice is harmless. */
  dispose(): void {
    this.#forget?.();
    this.#buffer.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  get #bytes(): number {
    return this.size * bytesOf[this.dtype];
  }
}
