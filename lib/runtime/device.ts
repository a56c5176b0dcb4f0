/// <reference lib="esnext.disposable" preserve="true" />
import type { NativeDevice } from '../../typings/native.js';
import { StriateError } from '../errors.js';
import { parseBytes } from '../program/plan.js';
import type { DType } from '../program/program.js';
import { addon } from './addon.js';
import { cudaState } from './cuda.js';
import { eagerOps, type EagerOps } from './eager.js';
import { checkShape, dtypeOf, toElements, type Elements } from './elements.js';
import { native, nativeAsync } from './errors.js';
import { Tensor } from './tensor.js';

export type DeviceName = 'auto' | 'cpu' | 'cuda';

export interface DeviceOptions {
  /** Threads that compute; default: one for each core that the process may use. */
  threads?: number;
  /** Most that the device may hold, in bytes or as `'2GB'`; default: no limit of its own. */
  memoryLimit?: number | string;
  /**
   * `'baseline'`, `'avx2'` or `'avx512'`; default: the environment variable `STRIATE_INSTRUCTION_SET`,
   * or else the best that the processor has.
   */
  instructionSet?: string;
}

/** What a device holds, in bytes. */
export interface DeviceMemory {
  /** Live bytes and blocks by category. */
  categories: Record<string, { bytes: number; blocks: number }>;
  allocated: number;
  /** The most that was allocated at one time. */
  peak: number;
  /** Live blocks. */
  blocks: number;
  /** 0: none. */
  limit: number;
}

export interface TensorOptions {
  /** Default: that of the typed array; `'float32'` for a plain array. */
  dtype?: DType;
}

/** One entry of `devices()`. */
export interface DeviceListing {
  name: 'cpu' | 'cuda';
  available: boolean;
  /** The processor, or why there is no such device. */
  description: string;
  remedy?: string;
  /** Cores that the process may use. */
  cores?: number;
  /** What the build holds and the processor runs, best last. */
  instructionSets?: string[];
}

/** A device that is open. Opened by `device()`; open and idle it does not keep the process alive. */
export class Device {
  /** `'cpu'` */
  readonly name: string;
  /** Why this device: asked for, or what `'auto'` found. */
  readonly reason: string;
  readonly threads: number;
  readonly instructionSet: string;
  /** The processor's own name. */
  readonly description: string;
  /** Ops that run at once on tensors: `await device.ops.relu(x)`. */
  readonly ops: EagerOps;
  /** @internal */
  readonly native: NativeDevice;

  /** @internal */
  constructor(device: NativeDevice, reason: string) {
    const info = device.info();
    this.native = device;
    this.reason = reason;
    this.name = info.kind;
    this.threads = info.threads;
    this.instructionSet = info.instructionSet;
    this.description = info.name;
    this.ops = eagerOps(this);
  }

  get closed(): boolean {
    return this.native.closed;
  }

  /** Live bytes by category, the peak, the limit; all zero after `close()`. */
  memory(): DeviceMemory {
    return native(() => this.native.memory());
  }

  /**
   * A tensor with these elements; `shape` includes the batch. The data are copied before the call
   * returns.
   *
   * @throws StriateError INVALID_SHAPE, INVALID_ARGUMENT, OUT_OF_DEVICE_MEMORY, DISPOSED
   */
  async tensor(
    data: Elements | readonly number[],
    shape: readonly number[],
    options: TensorOptions = {},
  ): Promise<Tensor> {
    const count = checkShape(shape, 'the tensor');
    const elements = elementsOf(data, options.dtype);
    if (elements.data.length !== count) {
      throw new StriateError(
        'INVALID_SHAPE',
        `the data have ${elements.data.length} elements, the shape [${shape.join(', ')}] has ${count}`,
        { remedy: 'Give as many elements as the shape has, or the shape that the data have.' },
      );
    }
    const buffer = native(() => this.native.allocate(elements.data.byteLength, 'tensors'));
    try {
      await nativeAsync(() => buffer.write(0, elements.data));
    } catch (error) {
      buffer.dispose();
      throw error;
    }
    return new Tensor(this, shape, elements.dtype, buffer);
  }

  /** Waits for queued work, then frees everything that the device holds. Twice is harmless. */
  async close(): Promise<void> {
    await nativeAsync(() => this.native.close());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/**
 * Opens a device. `'auto'` takes the best that there is and says in `reason` what it chose and why.
 *
 * @throws StriateError DEVICE_UNAVAILABLE with the reason; INVALID_ARGUMENT for an option out of range;
 * NATIVE_ADDON_MISSING, NATIVE_ADDON_MISMATCH.
 */
export async function device(
  name: DeviceName = 'auto',
  options: DeviceOptions = {},
): Promise<Device> {
  // Opening is quick here, but it is not on every kind of device.
  return Promise.resolve(choose(name, options));
}

function choose(name: DeviceName, options: DeviceOptions): Device {
  const cuda = cudaState();
  switch (name) {
    case 'cuda':
      throw new StriateError('DEVICE_UNAVAILABLE', `there is no CUDA device: ${cuda.reason}`, {
        remedy: cuda.remedy,
      });
    case 'cpu':
      return open(options, 'asked for');
    case 'auto':
      return open(options, `no CUDA device: ${cuda.reason}`);
    default:
      throw new StriateError('INVALID_ARGUMENT', `there is no device ${JSON.stringify(name)}`, {
        remedy: "Devices are 'auto', 'cpu' and 'cuda'.",
      });
  }
}

/** The kinds of device, and whether each is to be had here. */
export function devices(): DeviceListing[] {
  const cpu = addon().describeCpu();
  const cuda = cudaState();
  return [
    {
      name: 'cpu',
      available: true,
      description: cpu.model,
      cores: cpu.cores,
      instructionSets: cpu.instructionSets,
    },
    { name: 'cuda', available: false, description: cuda.reason, remedy: cuda.remedy },
  ];
}

function open(options: DeviceOptions, reason: string): Device {
  const { threads = 0, memoryLimit: limit = 0 } = options;
  const memoryLimit = typeof limit === 'string' ? parseBytes(limit) : limit;
  const instructionSet = options.instructionSet ?? (process.env.STRIATE_INSTRUCTION_SET || 'best');
  const opened = native(() =>
    addon().createDevice({ kind: 'cpu', threads, memoryLimit, instructionSet }),
  );
  return new Device(opened, reason);
}

function elementsOf(
  data: Elements | readonly number[],
  dtype: DType | undefined,
): { data: Elements; dtype: DType } {
  if (ArrayBuffer.isView(data)) {
    const own = dtypeOf(data);
    if (own !== undefined && (dtype === undefined || own === dtype)) return { data, dtype: own };
    if (own !== undefined && dtype !== undefined) return { data: toElements(dtype, data), dtype };
  } else if (Array.isArray(data)) {
    return { data: toElements(dtype ?? 'float32', data), dtype: dtype ?? 'float32' };
  }
  throw new StriateError('INVALID_ARGUMENT', 'a tensor is not made of this', {
    remedy: 'Give numbers, or a Float32Array, Float64Array, Uint8Array or Int32Array.',
  });
}
