/**
 * The native addon as TypeScript sees it. `lib/runtime` is the only folder that imports it.
 * Every method checks its arguments; errors carry a stable `code` (see lib/errors.ts).
 */

export interface NativeAddon {
  readonly version: string;
  readonly sourceHash: string;
  /** Ops in the order of their numbers. */
  describeOps(): NativeOp[];
  describeCpu(): NativeCpu;
  createDevice(options: NativeDeviceOptions | NativePluginOptions): NativeDevice;
  /**
   * What a device library says of itself. Throws DEVICE_UNAVAILABLE for a file that cannot be opened or
   * does not fit this addon.
   */
  describePlugin(path: string): NativePlugin;
  /** A command for the emulated card, and its answer (native/emulator/inspect.h). For tests. */
  inspectPlugin(path: string, command: string): string;
}

export interface NativeOp {
  name: string;
  family: string;
  operands: {
    name: string;
    role: 'in' | 'out';
    optional: boolean;
    element: 'storage' | 'compute' | 'int32' | 'bytes' | 'other';
  }[];
  attributes: { name: string; type: 'int32' | 'float32' | 'int64' | 'float64'; offset: number }[];
  attributesSize: number;
}

export interface NativeCpu {
  /** Instruction sets that this build holds and this processor runs, best last. */
  instructionSets: string[];
  /** What the best is called: 'baseline' | 'avx2' | 'avx512'. */
  best: string;
  cores: number;
  model: string;
}

export interface NativeDeviceOptions {
  kind: 'cpu';
  /** 0: as many as there are cores. */
  threads: number;
  /** An instruction set of `describeCpu()`, or 'best'. */
  instructionSet: string;
  /** Most bytes that the device may hold; 0: no limit. */
  memoryLimit: number;
}

/** A device in a library of its own. */
export interface NativePluginOptions {
  kind: 'plugin';
  /** Absolute path of the library. */
  path: string;
  /** Number of the device. */
  index: number;
  memoryLimit: number;
}

export interface NativePlugin {
  version: string;
  sourceHash: string;
  devices: number;
  /** Why there is no device; empty when there are some. */
  failure: string;
}

export interface NativeDevice {
  info(): {
    /** 'cpu', 'cuda:0', 'cuda:emulated' */
    kind: string;
    name: string;
    threads: number;
    /** For a card its architecture. */
    instructionSet: string;
    /** Versions of what the device is made of. */
    details: string;
  };
  memory(): {
    /** Live bytes and blocks by category; the device's own are `scratch`. */
    categories: Record<string, { bytes: number; blocks: number }>;
    allocated: number;
    peak: number;
    blocks: number;
    limit: number;
    /** The driver's own count; absent where host and device share their memory. */
    free?: number;
    total?: number;
  };
  /** Memory of `bytes` bytes, zeroed. */
  allocate(bytes: number, category: string): NativeBuffer;
  /** One op, in the order of the calls; resolves when it has run. Eager tensors are made of this. */
  execute(
    op: number,
    attributes: Uint8Array,
    operands: (NativeOperand | null)[],
    control: NativeControl,
  ): Promise<void>;
  createExecutable(description: NativeExecutableDescription): NativeExecutable;
  /** Resolves when all that was queued before has run. */
  synchronize(): Promise<void>;
  /** Waits for the queue, frees everything. Later calls throw DISPOSED, but for `memory` and `close`. */
  close(): Promise<void>;
  readonly closed: boolean;
}

export interface NativeBuffer {
  readonly byteLength: number;
  /** Copies the source before it returns; resolves when it stands in device memory. */
  write(byteOffset: number, source: ArrayBufferView): Promise<void>;
  read(byteOffset: number, byteLength: number): Promise<ArrayBuffer>;
  /** Blocks the thread until the queue has run dry; then copies. */
  readSync(byteOffset: number, byteLength: number): ArrayBuffer;
  fill(byteOffset: number, byteLength: number, value: number): Promise<void>;
  /** Frees when the work queued before has run. Twice is harmless. */
  dispose(): void;
  readonly disposed: boolean;
}

export type NativeDType = 0 | 1 | 2 | 3 | 4 | 5; // float32, float64, uint8, int32, bfloat16, float16
export type NativeAccess = 1 | 2 | 3; // read, overwrite, accumulate

/** An operand of an eager op. */
export interface NativeOperand {
  buffer: NativeBuffer;
  byteOffset: number;
  dtype: NativeDType;
  access: NativeAccess;
  size: number[];
  pitch: number;
}

export interface NativeControl {
  step: number;
  sampleOffset: number;
  seed: number;
  learningRate: number;
  lossScale: number;
}

export interface NativeExecutableDescription {
  /** The planned batch: the largest `n` of a run. */
  batch: number;
  /** Memory by region number; null for the input region. */
  regions: (NativeBuffer | null)[];
  /** The region that the two staging slots stand for, and the slots; -1 and null without inputs. */
  inputRegion: number;
  slots: [NativeBuffer, NativeBuffer] | null;
  instructions: NativeInstruction[];
  /** Where the inputs lie in a slot: bytes = perImage * n + fixed. */
  inputs: { byteOffset: number; fixed: number; perImage: number }[];
  /** What a run may return: bytes = perImage * n + fixed. */
  outputs: { region: number; byteOffset: number; fixed: number; perImage: number }[];
}

export interface NativeInstruction {
  op: number;
  attributes: Uint8Array;
  operands: (NativePlannedOperand | null)[];
  /** Named in errors: "conv1 conv2dBackwardData". */
  label: string;
}

export interface NativePlannedOperand {
  region: number;
  byteOffset: number;
  dtype: NativeDType;
  access: NativeAccess;
  /** The first extent is multiplied by n when `batched` (1 * n for a batch of images). */
  size: number[];
  batched: boolean;
  pitch: number;
}

export interface NativeRun {
  n: number;
  slot: 0 | 1;
  /** Instructions [begin, end). */
  begin: number;
  end: number;
  control: NativeControl;
  /** Numbers of the outputs to copy back. */
  outputs: number[];
  /** Measure every instruction. */
  timing: boolean;
}

export interface NativeRunResult {
  outputs: ArrayBuffer[];
  /** False when `checkFinite` cleared the commit flag. */
  committed: boolean;
  /** Nanoseconds by instruction, [begin, end); only with `timing`. */
  times?: Float64Array;
  /** Nanoseconds from the start to the end of the run on the queue. */
  elapsed: number;
}

export interface NativeExecutable {
  /**
   * Copies one input of a batch into a staging slot before it returns. May run while a step uses the
   * other slot; throws BUSY when a queued or running step uses this one.
   */
  stage(slot: 0 | 1, input: number, source: ArrayBufferView): void;
  run(run: NativeRun): Promise<NativeRunResult>;
  dispose(): void;
}
