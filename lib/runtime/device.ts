/// <reference lib="esnext.disposable" preserve="true" />
import type { NativeDevice } from '../../typings/native.js';
import { StriateError } from '../errors.js';
import type { TargetDevice } from '../program/op.js';
import { parseBytes } from '../program/plan.js';
import type { Precision } from '../program/precision.js';
import type { DType } from '../program/program.js';
import { addon } from './addon.js';
import { cudaState, findCudaLibrary } from './cuda.js';
import { eagerOps, type EagerOps } from './eager.js';
import { checkShape, dtypeOf, toElements, type Elements } from './elements.js';
import { native, nativeAsync } from './errors.js';
import { Tensor } from './tensor.js';

export type DeviceName = 'auto' | 'cpu' | 'cuda' | `cuda:${number}` | 'cuda:emulated';

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
  /** For `'auto'`: a device that computes in this; default `'float32'`. */
  precision?: Precision;
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
  /** The driver's own count of the card; absent on the CPU. */
  free?: number;
  total?: number;
  /**
   * What the driver counts as taken beyond `allocated`: its context, libraries and code, what its pool of
   * eager tensors keeps, other processes. Absent on the CPU.
   */
  elsewhere?: number;
}

export interface TensorOptions {
  /**
   * Default: that of the typed array; `'float32'` for a plain array. With `'bfloat16'` and `'float16'` a
   * Uint16Array is taken as their bits, and numbers are rounded to them.
   */
  dtype?: DType;
}

/** One entry of `devices()`. */
export interface DeviceListing {
  name: 'cpu' | 'cuda' | 'cuda:emulated';
  available: boolean;
  /** The processor or card, or why there is no such device. */
  description: string;
  remedy?: string;
  /** Cores that the process may use. */
  cores?: number;
  /** What the build holds and the processor runs, best last. */
  instructionSets?: string[];
}

/** A device that is open. Opened by `device()`; open and idle it does not keep the process alive. */
export class Device {
  /** `'cpu'`, `'cuda:0'`, `'cuda:emulated'` */
  readonly name: string;
  /** Why this device: asked for, or what `'auto'` found. */
  readonly reason: string;
  readonly threads: number;
  /** For a card its architecture: `'sm_80'`. */
  readonly instructionSet: string;
  /** What programs for it are compiled for. */
  readonly target: TargetDevice;
  /** The processor's or card's own name. */
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
    this.target = info.kind === 'cpu' ? 'cpu' : 'cuda';
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
    const memory = native(() => this.native.memory());
    const { free, total, allocated } = memory;
    if (free === undefined || total === undefined) return memory;
    return { ...memory, elsewhere: Math.max(0, total - free - allocated) };
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
 * `'cuda'` is the first CUDA device, `'cuda:1'` the second; `'cuda:emulated'` runs the CUDA sources on
 * the processor, slowly and with every access checked.
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
  if (name === 'cpu') return openCpu(options, 'asked for');
  if (name === 'auto') return openBest(options);
  if (name === 'cuda:emulated') return openEmulated(options);
  const index = /^cuda(?::(\d{1,3}))?$/.exec(name);
  if (index !== null) return openCuda(Number(index[1] ?? 0), options, 'asked for');
  throw new StriateError('INVALID_ARGUMENT', `there is no device ${JSON.stringify(name)}`, {
    remedy: "Devices are 'auto', 'cpu', 'cuda', 'cuda:1' and so on, and 'cuda:emulated'.",
  });
}

function openBest(options: DeviceOptions): Device {
  if (options.precision === 'float64') return openCpu(options, 'float64 is computed on the CPU');
  const cuda = cudaState();
  return cuda.available
    ? openCuda(0, options, `a CUDA device: ${cuda.reason}`)
    : openCpu(options, `no CUDA device: ${cuda.reason}`);
}

/** The kinds of device, and whether each is to be had here. */
export function devices(): DeviceListing[] {
  const cpu = addon().describeCpu();
  const cuda = cudaState();
  const emulated = findCudaLibrary(true).path;
  return [
    {
      name: 'cpu',
      available: true,
      description: cpu.model,
      cores: cpu.cores,
      instructionSets: cpu.instructionSets,
    },
    {
      name: 'cuda',
      available: cuda.available,
      description: cuda.reason,
      ...(cuda.available ? {} : { remedy: cuda.remedy }),
    },
    ...(emulated === undefined
      ? []
      : [
          {
            name: 'cuda:emulated' as const,
            available: true,
            description: 'the CUDA sources on the processor, for tests',
          },
        ]),
  ];
}

function bytesOfLimit({ memoryLimit: limit = 0 }: DeviceOptions): number {
  return typeof limit === 'string' ? parseBytes(limit) : limit;
}

function openCpu(options: DeviceOptions, reason: string): Device {
  const { threads = 0 } = options;
  const memoryLimit = bytesOfLimit(options);
  const instructionSet = options.instructionSet ?? (process.env.STRIATE_INSTRUCTION_SET || 'best');
  const opened = native(() =>
    addon().createDevice({ kind: 'cpu', threads, memoryLimit, instructionSet }),
  );
  return new Device(opened, reason);
}

function openCuda(index: number, options: DeviceOptions, reason: string): Device {
  const { available, library, reason: why, remedy } = cudaState();
  if (!available || library === undefined)
    throw new StriateError('DEVICE_UNAVAILABLE', `there is no CUDA device: ${why}`, { remedy });
  return openLibrary(library, index, options, reason);
}

function openEmulated(options: DeviceOptions): Device {
  const { path, refused } = findCudaLibrary(true);
  if (path !== undefined) return openLibrary(path, 0, options, 'asked for');
  const places = refused.map((place) => `  ${place.from} (${place.path ?? ''}): ${place.reason}`);
  throw new StriateError(
    'DEVICE_UNAVAILABLE',
    ['the library of the emulated CUDA device was not found; looked in', ...places].join('\n'),
    { remedy: 'In a clone, run `npm run build:emulator`.' },
  );
}

function openLibrary(path: string, index: number, options: DeviceOptions, reason: string): Device {
  const memoryLimit = bytesOfLimit(options);
  return new Device(
    native(() => addon().createDevice({ kind: 'plugin', path, index, memoryLimit })),
    reason,
  );
}

function elementsOf(
  data: Elements | readonly number[],
  dtype: DType | undefined,
): { data: Elements; dtype: DType } {
  if (ArrayBuffer.isView(data)) {
    const own = dtypeOf(data, dtype);
    if (own !== undefined && (dtype === undefined || own === dtype)) return { data, dtype: own };
    if (own !== undefined && dtype !== undefined) return { data: toElements(dtype, data), dtype };
  } else if (Array.isArray(data)) {
    return { data: toElements(dtype ?? 'float32', data), dtype: dtype ?? 'float32' };
  }
  throw new StriateError('INVALID_ARGUMENT', 'a tensor is not made of this', {
    remedy:
      'Give numbers, a Float32Array, Float64Array, Uint8Array or Int32Array, or a Uint16Array with the ' +
      "dtype 'bfloat16' or 'float16'.",
  });
}
