import type { Device } from '../lib/index.js';
import { nativeAccesses, nativeDTypes } from '../lib/runtime/elements.js';
import { nativeOp, packAttributes } from '../lib/runtime/native-ops.js';
import type { NativeOperand } from '../typings/native.js';

export interface FloatOperand {
  shape: readonly number[];
  access: 'read' | 'overwrite';
}

const control = { step: 0, sampleOffset: 0, seed: 0, learningRate: 0, lossScale: 1 };

/** One op over memory that stays: its calls are queued together, so that the queue is not measured. */
export class OpCall {
  readonly #execute: () => Promise<void>;

  /** Operands in the op's order; float32, null where it has none, a number: bytes of workspace. */
  constructor(
    device: Device,
    name: string,
    attributes: Readonly<Record<string, number>>,
    operands: readonly (FloatOperand | number | null)[],
  ) {
    const op = nativeOp(name);
    const packed = packAttributes(op, attributes);
    const views = operands.map((operand) => {
      if (operand === null || operand === 0) return null;
      return typeof operand === 'number' ? workspaceOf(device, operand) : floatsOf(device, operand);
    });
    this.#execute = () => device.native.execute(op.number, packed, views, control);
  }

  /** Seconds of `count` calls, after as many that are not measured (threads wake, caches fill). */
  async time(count: number): Promise<number> {
    const turn = (): Promise<unknown> => Promise.all(Array.from({ length: count }, this.#execute));
    await turn();
    const start = performance.now();
    await turn();
    return (performance.now() - start) / 1000;
  }
}

function workspaceOf(device: Device, bytes: number): NativeOperand {
  return {
    buffer: device.native.allocate(bytes, 'bench'),
    byteOffset: 0,
    dtype: nativeDTypes.uint8,
    access: nativeAccesses.overwrite,
    size: [bytes],
    pitch: bytes,
  };
}

function floatsOf(device: Device, { shape, access }: FloatOperand): NativeOperand {
  const elements = shape.reduce((a, b) => a * b, 1);
  const buffer = device.native.allocate(elements * 4, 'bench');
  void buffer.write(
    0,
    Float32Array.from({ length: elements }, (_, i) => ((i * 37) % 101) / 101 - 0.5),
  );
  return {
    buffer,
    byteOffset: 0,
    dtype: nativeDTypes.float32,
    access: nativeAccesses[access],
    size: [...shape],
    pitch: shape.at(-1)!,
  };
}
