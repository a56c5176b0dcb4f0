import { StriateError } from '../errors.js';
import type { Network } from '../graph/network.js';
import { averageSlot } from '../optimizers/average.js';
import type { Program } from '../program/program.js';
import type { Device } from '../runtime/device.js';
import { native } from '../runtime/errors.js';
import { Programs } from './programs.js';
import { writeTo, type Slabs } from './slabs.js';
import type { Weights } from './weights.js';

/** The averaged parameters in memory of their own, for programs that measure or predict with them. */
export class Averaged {
  readonly programs: Programs;
  readonly #parameters;
  #step = -1;

  constructor(
    device: Device,
    network: Network,
    private readonly slabs: Slabs,
    layout: Program,
  ) {
    const bytes = layout.bytes.parameters;
    this.#parameters = native(() => device.native.allocate(bytes, 'parameters'));
    const buffers = { ...slabs.buffers, parameters: this.#parameters };
    this.programs = new Programs(device, network, { buffers }, layout);
  }

  /** Takes over the averages of this step. Nothing may be running on the programs. */
  async refresh(step: number): Promise<void> {
    if (step === this.#step) return;
    const weights = await averagedWeights(this.slabs, step);
    for (const { name, region, offset } of this.slabs.parameters)
      if (region === 'parameters')
        await writeTo(this.#parameters, offset, weights.get(name)!.data as Float32Array);
    this.#step = step;
  }

  dispose(): void {
    this.programs.dispose();
    this.#parameters.dispose();
  }
}

/** All parameters, the trained ones averaged; before the first step there is nothing to average. */
export async function averagedWeights(slabs: Slabs, steps: number): Promise<Weights> {
  const weights = await slabs.read();
  if (steps === 0) return weights;
  for (const [name, tensor] of (await slabs.readSlots()).get(averageSlot)!)
    weights.set(name, tensor);
  return weights;
}

export function noAverage(): StriateError {
  return new StriateError('INVALID_ARGUMENT', 'there is no average of the parameters', {
    remedy: 'Train with the option average: { decay: 0.999 }.',
  });
}
