/**
 * A program: versioned, serialisable data. A flat list of instructions over buffers whose every byte is
 * placed. The compiler (`lib/program`) makes it without a device, a device runs it.
 */

export type DType = 'float32' | 'float64' | 'uint8' | 'int32' | 'bfloat16' | 'float16';

export const bytesOf: Record<DType, number> = {
  float32: 4,
  float64: 8,
  uint8: 1,
  int32: 4,
  bfloat16: 2,
  float16: 2,
};

/** What a buffer is for; the labels under which the plan counts bytes. */
export type Category =
  | 'parameters'
  | 'gradients'
  | 'optimizer'
  | 'state'
  | 'activations'
  | 'activationGradients'
  | 'weightCopies'
  | 'workspace'
  | 'input';

/**
 * Where a buffer lies. Slabs (`parameters`, `gradients`, `optimizer`, `state`) outlive a run and are
 * shared between programs; `constants` are uploaded once; `arena` holds everything that lives within a
 * step; `input` is one of two staging slots.
 */
export type Region =
  'parameters' | 'gradients' | 'optimizer' | 'state' | 'constants' | 'arena' | 'input';

export const regions: readonly Region[] = [
  'parameters',
  'gradients',
  'optimizer',
  'state',
  'constants',
  'arena',
  'input',
];

export type Access = 'read' | 'overwrite' | 'accumulate';

export interface ProgramBuffer {
  name: string;
  dtype: DType;
  category: Category;
  region: Region;
  /** Bytes from the start of the region, a multiple of 64. */
  offset: number;
  /** Elements: `fixed + perImage * n`. `bytes` is that for the planned batch. */
  fixed: number;
  perImage: number;
  bytes: number;
  /** First and last instruction that touch it; slabs live from 0 to the end. */
  first: number;
  last: number;
}

/** What an instruction sees of a buffer. */
export interface ProgramOperand {
  buffer: number;
  access: Access;
  /** Extents; with `batched` the first is multiplied by n ([1, h, w, c] is [n, h, w, c]). */
  shape: number[];
  batched: boolean;
  /** Elements from the buffer's start. */
  offset: number;
  /** Elements between neighbours on the axis before the last. */
  pitch: number;
}

export type Phase = 'forward' | 'backward' | 'update' | 'commit';

export interface ProgramInstruction {
  op: string;
  /** Numbers by name, as the op's header lists them; 64-bit integers as decimal strings. */
  attributes: Record<string, number | string>;
  /** By the op's operand order; null where an optional one is left out. */
  operands: (ProgramOperand | null)[];
  layer: string;
  phase: Phase;
}

/** A slab's named part: one parameter, its gradient, or one of its optimizer slots. */
export interface ProgramParameter {
  /** `conv1.w` */
  name: string;
  shape: number[];
  dtype: DType;
  region: 'parameters' | 'state';
  /** Bytes from the start of the slab; gradients and slots lie at the same offset of theirs. */
  offset: number;
  elements: number;
  /** It has a gradient and slots. Trained ones come first, as the backward pass finishes them. */
  trainable: boolean;
}

export interface ProgramPort {
  name: string;
  buffer: number;
  dtype: DType;
  /** Extents without the batch. */
  shape: number[];
  batched: boolean;
}

export interface Program {
  version: 1;
  /** `external`: training whose gradient by the output is the input `dy`, run range by range. */
  kind: 'train' | 'evaluate' | 'infer' | 'external';
  /** The backward pass adds to the gradients: its caller zeroes them before the first of several runs. */
  accumulates?: true;
  /** The planned batch; a run may have any n from 1 to this. */
  batch: number;
  /** Of parameters, sums, statistics and losses. */
  dtype: 'float32' | 'float64';
  buffers: ProgramBuffer[];
  instructions: ProgramInstruction[];
  parameters: ProgramParameter[];
  /**
   * Names of optimizer slots. Each is as long as the region `gradients`, that is as the trained part of
   * the parameter slab, and they follow one another in the region `optimizer` (`slotOffset`).
   */
  slots: string[];
  inputs: ProgramPort[];
  outputs: ProgramPort[];
  /** Bytes of each region. */
  bytes: Record<Region, number>;
  /** Contents of the region `constants`, in order of offset: base64 of the bytes. */
  constants: { offset: number; data: string }[];
  /** Instruction ranges by phase, for `forward`, `backward` and `update` as calls of their own. */
  ranges: { forward: [number, number]; backward: [number, number]; update: [number, number] };
}
