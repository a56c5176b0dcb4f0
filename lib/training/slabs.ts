import type { NativeBuffer } from '../../typings/native.js';
import type { HostTensor } from '../formats/safetensors.js';
import type { Program, ProgramParameter } from '../program/program.js';
import { slotOffset } from '../program/slabs.js';
import type { Device } from '../runtime/device.js';
import { native, nativeAsync } from '../runtime/errors.js';
import { explainOutOfMemory } from '../runtime/out-of-memory.js';
import { Weights } from './weights.js';

export type Floats = Float32Array | Float64Array;

const names = ['parameters', 'gradients', 'optimizer', 'state'] as const;
type Slab = (typeof names)[number];

/** Bytes that are copied at once, so that the JavaScript thread is not held for long. */
const piece = 2 ** 22;

/** What outlives a step: the parameters, their gradients, the optimizer's slots, running statistics. */
export class Slabs {
  readonly buffers: Readonly<Record<Slab, NativeBuffer | null>>;

  /** `layout`: the program whose slabs these are; programs compiled with its layout share them. */
  constructor(
    device: Device,
    private readonly layout: Program,
  ) {
    const made: NativeBuffer[] = [];
    try {
      const buffers = names.map((name) => {
        const bytes = layout.bytes[name];
        if (bytes === 0) return [name, null] as const;
        const buffer = native(() => device.native.allocate(bytes, name));
        made.push(buffer);
        return [name, buffer] as const;
      });
      this.buffers = Object.fromEntries(buffers) as Record<Slab, NativeBuffer | null>;
    } catch (error) {
      for (const buffer of made) buffer.dispose();
      throw explainOutOfMemory(error, device, layout, 0);
    }
  }

  /** Bytes by slab. */
  get allocated(): Record<Slab, number> {
    const bytes = names.map((name) => [name, this.buffers[name]?.byteLength ?? 0]);
    return Object.fromEntries(bytes) as Record<Slab, number>;
  }

  get parameters(): readonly ProgramParameter[] {
    return this.layout.parameters;
  }

  /** Writes parameters and running statistics by name. */
  async write(values: ReadonlyMap<string, Floats>): Promise<void> {
    for (const parameter of this.layout.parameters) {
      const data = values.get(parameter.name);
      if (data) await writeTo(this.buffers[parameter.region], parameter.offset, data);
    }
  }

  /** Writes one optimizer slot by parameter. */
  async writeSlot(slot: string, values: ReadonlyMap<string, Floats>): Promise<void> {
    for (const parameter of this.trainable) {
      const data = values.get(parameter.name);
      if (data)
        await writeTo(this.buffers.optimizer, slotOffset(this.layout, slot, parameter), data);
    }
  }

  /** All parameters and running statistics. */
  async read(): Promise<Weights> {
    const weights = new Weights();
    for (const parameter of this.layout.parameters)
      weights.set(
        parameter.name,
        await readFrom(this.buffers[parameter.region], parameter.offset, parameter),
      );
    return weights;
  }

  async readSlots(): Promise<Map<string, Weights>> {
    const slots = new Map<string, Weights>();
    for (const slot of this.layout.slots) {
      const weights = new Weights();
      for (const parameter of this.trainable)
        weights.set(
          parameter.name,
          await readFrom(
            this.buffers.optimizer,
            slotOffset(this.layout, slot, parameter),
            parameter,
          ),
        );
      slots.set(slot, weights);
    }
    return slots;
  }

  /** The bytes of all running statistics, for `writeState`. */
  async readState(): Promise<ArrayBuffer> {
    const { state } = this.buffers;
    return state ? nativeAsync(() => state.read(0, state.byteLength)) : new ArrayBuffer(0);
  }

  async writeState(bytes: ArrayBuffer): Promise<void> {
    const { state } = this.buffers;
    if (state) await nativeAsync(() => state.write(0, new Uint8Array(bytes)));
  }

  /** Zeroes the gradients. */
  async clearGradients(): Promise<void> {
    const { gradients } = this.buffers;
    if (gradients) await nativeAsync(() => gradients.fill(0, gradients.byteLength, 0));
  }

  get trainable(): readonly ProgramParameter[] {
    return this.layout.parameters.filter(({ trainable }) => trainable);
  }

  dispose(): void {
    for (const name of names) this.buffers[name]?.dispose();
  }
}

export async function writeTo(
  buffer: NativeBuffer | null,
  offset: number,
  data: Floats,
): Promise<void> {
  if (!buffer) return;
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  for (let at = 0; at < bytes.length; at += piece)
    await nativeAsync(() => buffer.write(offset + at, bytes.subarray(at, at + piece)));
}

async function readFrom(
  buffer: NativeBuffer | null,
  offset: number,
  { dtype, shape, elements }: ProgramParameter,
): Promise<HostTensor> {
  const bytes = elements * (dtype === 'float64' ? 8 : 4);
  const data = buffer
    ? await nativeAsync(() => buffer.read(offset, bytes))
    : new ArrayBuffer(bytes);
  return dtype === 'float64'
    ? { dtype, shape, data: new Float64Array(data) }
    : { dtype: 'float32', shape, data: new Float32Array(data) };
}
