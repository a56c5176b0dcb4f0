import type { NativeBuffer } from '../../typings/native.js';
import type { Network } from '../graph/network.js';
import type { Shape } from '../graph/shape.js';
import type { Loss } from '../losses/loss.js';
import type { AverageOptions } from '../optimizers/average.js';
import type { Optimizer } from '../optimizers/optimizer.js';
import {
  compileEvaluation,
  compileInference,
  compileTraining,
  type CompileOptions,
} from '../program/compile.js';
import type { TargetDevice } from '../program/op.js';
import type { Precision } from '../program/precision.js';
import type { Preprocess } from '../program/preprocess.js';
import type { Program, Region } from '../program/program.js';
import type { Recompute } from '../program/recompute-options.js';
import type { Device } from '../runtime/device.js';
import { native } from '../runtime/errors.js';
import { Executable } from '../runtime/executable.js';
import { explainOutOfMemory } from '../runtime/out-of-memory.js';
import type { ImageType } from './images.js';
import type { Slabs } from './slabs.js';

/** What all programs of a trainer or model have in common. */
export interface ProgramSettings {
  batch: number;
  precision: Precision;
  preprocess: Preprocess | undefined;
  /** The kind of device that runs the programs. */
  target: TargetDevice;
}

export interface TrainingSettings extends ProgramSettings {
  loss: Loss | 'external';
  optimizer: Optimizer;
  freeze: readonly RegExp[];
  average: AverageOptions | undefined;
  recompute: Recompute;
  /** Images a step, where it takes several runs of `batch` images. */
  accumulated: number | undefined;
}

export function compileSettings(
  { batch, precision, preprocess, target }: ProgramSettings,
  inputDtype: ImageType,
): CompileOptions {
  return {
    batch,
    precision,
    inputDtype,
    device: target,
    ...(preprocess === undefined ? {} : { preprocess }),
  };
}

/** The training program whose layout all others of a trainer share. */
export function trainingProgram(
  network: Network,
  settings: TrainingSettings,
  inputDtype: ImageType,
): Program {
  const { loss, optimizer, freeze, average, accumulated, recompute } = settings;
  return compileTraining(network, {
    ...compileSettings(settings, inputDtype),
    loss,
    optimizer,
    freeze,
    recompute,
    ...(average && { average }),
    accumulate: accumulated !== undefined,
  });
}

type Kind = 'train' | 'evaluate' | 'infer';
type Compile = (inputDtype: ImageType) => Program;

function kindOf({ kind }: Program): Kind {
  return kind === 'external' ? 'train' : kind;
}

/** The type in which images of this shape most likely come: the one compiled for first. */
export function likelyType(input: Shape): ImageType {
  return input.length === 3 ? 'uint8' : 'float32';
}

/** Programs on a device over the same slabs, compiled when first asked for; one for each image type. */
export class Programs {
  readonly #made = new Map<string, Executable>();
  #arena: NativeBuffer | undefined;

  constructor(
    private readonly device: Device,
    private readonly network: Network,
    private readonly slabs: Pick<Slabs, 'buffers'>,
    private readonly layout: Program,
  ) {}

  training(settings: TrainingSettings, type: ImageType): Executable {
    return this.#get('train', type, (inputDtype) =>
      trainingProgram(this.network, settings, inputDtype),
    );
  }

  evaluation(settings: ProgramSettings, loss: Loss, type: ImageType): Executable {
    const { network, layout } = this;
    return this.#get('evaluate', type, (inputDtype) =>
      compileEvaluation(network, { ...compileSettings(settings, inputDtype), loss, layout }),
    );
  }

  inference(settings: ProgramSettings, type: ImageType): Executable {
    const { network, layout } = this;
    return this.#get('infer', type, (inputDtype) =>
      compileInference(network, { ...compileSettings(settings, inputDtype), layout }),
    );
  }

  /** Bytes beside the slabs, by region. */
  get allocated(): Partial<Record<Region, number>> {
    const sums: Partial<Record<Region, number>> = {};
    const shared = this.#arena === undefined ? {} : { arena: this.#arena.byteLength };
    for (const part of [shared, ...[...this.#made.values()].map((made) => made.allocated)])
      for (const [region, bytes] of Object.entries(part) as [Region, number][])
        sums[region] = (sums[region] ?? 0) + bytes;
    return sums;
  }

  dispose(): void {
    for (const executable of this.#made.values()) executable.dispose();
    this.#made.clear();
    this.#arena?.dispose();
  }

  #get(kind: Kind, type: ImageType, compile: Compile): Executable {
    const key = `${kind} ${type}`;
    const known = this.#made.get(key);
    if (known) return known;
    const [images] = this.layout.inputs;
    const isLayout = kindOf(this.layout) === kind && images?.dtype === type;
    const program = isLayout ? this.layout : compile(type);
    const executable = new Executable(this.device, program, {
      ...this.slabs.buffers,
      ...this.#sharedArena(program),
    });
    this.#made.set(key, executable);
    return executable;
  }

  /**
   * Runs are ordered, so one arena serves every program that it is large enough for. Not with an
   * external loss: its activations live from `forward` to `backward`, and others run between.
   */
  #sharedArena(program: Program): { arena?: NativeBuffer } {
    const { device, layout } = this;
    const { arena: bytes } = layout.bytes;
    if (layout.kind === 'external' || bytes === 0 || program.bytes.arena > bytes) return {};
    try {
      this.#arena ??= native(() => device.native.allocate(bytes, 'arena'));
    } catch (error) {
      const held = Object.values(this.slabs.buffers).reduce(
        (sum, buffer) => sum + (buffer?.byteLength ?? 0),
        0,
      );
      throw explainOutOfMemory(error, device, layout, held);
    }
    return { arena: this.#arena };
  }
}
