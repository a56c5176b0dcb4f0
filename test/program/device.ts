import { initialize } from '../../lib/initializers/index.js';
import type { Network } from '../../lib/graph/network.js';
import { bytesOf, regions, type Program } from '../../lib/program/program.js';
import type { Device } from '../../lib/runtime/device.js';
import type { Elements } from '../../lib/runtime/elements.js';
import { Executable } from '../../lib/runtime/executable.js';
import type { NativeBuffer } from '../../typings/native.js';

/** A program on a device, with its slabs and arena in the hands of the test. */
export class Bench {
  readonly memory: Partial<Record<(typeof regions)[number], NativeBuffer>> = {};
  readonly executable: Executable;

  constructor(
    device: Device,
    readonly program: Program,
    shared: Bench['memory'] = {},
  ) {
    for (const region of regions)
      if (region !== 'input' && region !== 'constants' && program.bytes[region] > 0)
        this.memory[region] =
          shared[region] ?? device.native.allocate(program.bytes[region], region);
    this.executable = new Executable(device, program, this.memory);
  }

  /** The network's own start; running variances are 1. */
  async initialize(network: Network, seed = 7): Promise<void> {
    for (const { name, spec } of network.parameters())
      await this.write(name, initialize(spec, seed, name, this.program.dtype));
  }

  async write(parameter: string, values: Elements): Promise<void> {
    const p = this.program.parameters.find(({ name }) => name === parameter)!;
    await this.memory[p.region]!.write(p.offset, values);
  }

  async read(
    parameter: string,
    from?: 'parameters' | 'gradients',
  ): Promise<Float32Array | Float64Array> {
    const p = this.program.parameters.find(({ name }) => name === parameter)!;
    const bytes = await this.memory[from ?? p.region]!.read(
      p.offset,
      p.elements * bytesOf[p.dtype],
    );
    return p.dtype === 'float64' ? new Float64Array(bytes) : new Float32Array(bytes);
  }

  /** The whole of a region. */
  async bytes(region: 'parameters' | 'state' | 'optimizer' | 'gradients'): Promise<Buffer> {
    const memory = this.memory[region];
    return memory === undefined
      ? Buffer.alloc(0)
      : Buffer.from(await memory.read(0, memory.byteLength));
  }

  dispose(): void {
    this.executable.dispose();
    for (const buffer of Object.values(this.memory)) buffer.dispose();
  }

  /** Makes every float of the arena NaN. */
  async poison(): Promise<void> {
    const { arena } = this.memory;
    await arena!.fill(0, arena!.byteLength, 255);
  }
}

/** Numbers between -1 and 1, the same for the same seed. */
export function noise(length: number, seed: number): Float64Array {
  let state = seed * 7919 + 17;
  return Float64Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state / 2 ** 32) * 2 - 1;
  });
}

export function labels(length: number, classes: number): Int32Array {
  return Int32Array.from({ length }, (_, i) => (i * 7 + 1) % classes);
}
