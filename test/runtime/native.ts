// Short forms for tests that speak to the addon itself.
import { addon } from '../../lib/runtime/addon.js';
import { nativeOp, packAttributes } from '../../lib/runtime/native-ops.js';
import type {
  NativeBuffer,
  NativeDevice,
  NativeExecutable,
  NativeExecutableDescription,
  NativeOperand,
  NativeRun,
} from '../../typings/native.js';

export const control = { step: 0, sampleOffset: 0, seed: 0, learningRate: 0, lossScale: 1 };

export const relu = nativeOp('relu');
export const reluAttributes = packAttributes(relu, { reserved: 0 });

export function openNative(memoryLimit = 0): NativeDevice {
  return addon().createDevice({ kind: 'cpu', threads: 2, instructionSet: 'best', memoryLimit });
}

/** A vector of float32 as an operand. */
export function vector(buffer: NativeBuffer, elements: number, access: 1 | 2 | 3): NativeOperand {
  return { buffer, byteOffset: 0, dtype: 0, access, size: [elements], pitch: elements };
}

/** y = relu(x), `width` numbers an image; x staged, y both the memory and the output. */
export function reluProgram(
  device: NativeDevice,
  { batch = 4, width = 16, repeat = 1 } = {},
): { executable: NativeExecutable; y: NativeBuffer; description: NativeExecutableDescription } {
  const y = device.allocate(batch * width * 4, 'arena');
  const slots: [NativeBuffer, NativeBuffer] = [
    device.allocate(batch * width * 4, 'input'),
    device.allocate(batch * width * 4, 'input'),
  ];
  const operand = (region: number, access: 1 | 2) => ({
    region,
    byteOffset: 0,
    dtype: 0 as const,
    access,
    size: [1, width],
    batched: true,
    pitch: width,
  });
  const description: NativeExecutableDescription = {
    batch,
    regions: [null, y],
    inputRegion: 0,
    slots,
    instructions: Array.from({ length: repeat }, () => ({
      op: relu.number,
      attributes: reluAttributes,
      operands: [operand(0, 1), operand(1, 2)],
      label: 'relu1 relu',
    })),
    inputs: [{ byteOffset: 0, fixed: 0, perImage: width * 4 }],
    outputs: [{ region: 1, byteOffset: 0, fixed: 0, perImage: width * 4 }],
  };
  return { executable: device.createExecutable(description), y, description };
}

export function runOf(n: number, changes: Partial<NativeRun> = {}): NativeRun {
  return { n, slot: 0, begin: 0, end: 1, control, outputs: [0], timing: false, ...changes };
}

/** The code of what a call throws or rejects with; undefined when it does neither. */
export async function nativeCode(call: () => unknown): Promise<string | undefined> {
  try {
    await call();
    return undefined;
  } catch (error) {
    return (error as { code?: string }).code ?? `no code: ${String(error)}`;
  }
}
