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
import { compileReading, type ReadingOptions } from '../program/compile-reading.js';
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
  logits = false,
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
    logits,
  });
}

/** Sets of layers whose programs are kept. */
const mostReadings = 8;

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
  readonly #lasting = new Map<string, Executable>();
  /** Those that read layers, the one used last at the end. */
  readonly #readings = new Map<string, Executable>();
  #arena: NativeBuffer | undefined;

  constructor(
    private readonly device: Device,
    private readonly network: Network,
    private readonly slabs: Pick<Slabs, 'buffers'>,
    private readonly layout: Program,
  ) {}

  /** `logits`: the network's output is an output too. */
  training(settings: TrainingSettings, type: ImageType, logits = false): Executable {
    return this.#get(
      'train',
      type,
      (inputDtype) => trainingProgram(this.network, settings, inputDtype, logits),
      logits ? 'logits' : '',
    );
  }

  /** `logits`: the network's output is an output too. */
  evaluation(settings: ProgramSettings, loss: Loss, type: ImageType, logits: boolean): Executable {
    const { network, layout } = this;
    return this.#get(
      'evaluate',
      type,
      (inputDtype) =>
        compileEvaluation(network, {
          ...compileSettings(settings, inputDtype),
          ...{ loss, layout, logits },
        }),
      logits ? 'logits' : '',
    );
  }

  /** Values within the network, and gradients by them; the programs used last are kept. */
  reading(
    settings: ProgramSettings,
    type: ImageType,
    wanted: Pick<ReadingOptions, 'values' | 'gradients'>,
  ): Executable {
    const { network, layout } = this;
    const { values = [], gradients } = wanted;
    const of = gradients && (gradients.of === 'external' ? 'score' : 'loss');
    const key = `read ${type} ${values.join()} ${of ?? ''} ${gradients?.by.join() ?? ''}`;
    const known = this.#readings.get(key);
    this.#readings.delete(key);
    const executable =
      known ??
      this.#made(
        compileReading(network, { ...compileSettings(settings, type), layout, ...wanted }),
      );
    this.#readings.set(key, executable);
    const [oldest] = this.#readings.keys();
    if (this.#readings.size > mostReadings && oldest !== undefined) {
      this.#readings.get(oldest)!.dispose();
      this.#readings.delete(oldest);
    }
    return executable;
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
    const made = [...this.#lasting.values(), ...this.#readings.values()];
    for (const part of [shared, ...made.map(({ allocated }) => allocated)])
      for (const [region, bytes] of Object.entries(part) as [Region, number][])
        sums[region] = (sums[region] ?? 0) + bytes;
    return sums;
  }

  dispose(): void {
    for (const made of [this.#lasting, this.#readings]) {
      for (const executable of made.values()) executable.dispose();
      made.clear();
    }
    this.#arena?.dispose();
  }

  /** `more`: what the program gives besides. */
  #get(kind: Kind, type: ImageType, compile: Compile, more = ''): Executable {
    const key = `${kind} ${type} ${more}`;
    const known = this.#lasting.get(key);
    if (known) return known;
    const [images] = this.layout.inputs;
    const isLayout = kindOf(this.layout) === kind && images?.dtype === type && more === '';
    const executable = this.#made(isLayout ? this.layout : compile(type));
    this.#lasting.set(key, executable);
    return executable;
  }

  #made(program: Program): Executable {
    const memory = { ...this.slabs.buffers, ...this.#sharedArena(program) };
    return new Executable(this.device, program, memory);
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
