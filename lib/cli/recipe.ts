import { softmaxCrossEntropy, svmHinge, type Loss } from '../losses/index.js';
import {
  adadelta,
  adagrad,
  adam,
  adamW,
  lamb,
  lars,
  rmsProp,
  sgd,
  type Optimizer,
  type OptimizerOptions,
  type ParameterGroup,
} from '../optimizers/index.js';
import type { Preprocess } from '../program/preprocess.js';
import { constant, cosine, inv, polynomial, step, type Schedule } from '../schedules/index.js';
import type { TrainerOptions } from '../training/trainer.js';
import type { ResolvedModel } from './model.js';
import { UsageError } from './output.js';

export const scheduleNames = ['constant', 'inv', 'step', 'polynomial', 'cosine'] as const;
export type ScheduleName = (typeof scheduleNames)[number];

/** Losses over labels, which is what the data sets of the command line have. */
export const losses = {
  softmax: () => softmaxCrossEntropy(),
  'softmax-smoothed': () => softmaxCrossEntropy({ labelSmoothing: 0.1 }),
  'svm-hinge': () => svmHinge(),
  'svm-hinge-squared': () => svmHinge({ squared: true }),
} satisfies Record<string, () => Loss>;
export type LossName = keyof typeof losses;
export const lossNames = Object.keys(losses) as LossName[];

/** Names of the command line; those that take a momentum, and the rate where none is given. */
export const optimizers = {
  sgd: { make: sgd, momentum: true, rate: 0.01 },
  adam: { make: adam, momentum: false, rate: 1e-3 },
  adamw: { make: adamW, momentum: false, rate: 1e-3 },
  rmsprop: { make: rmsProp, momentum: true, rate: 0.01 },
  adagrad: { make: adagrad, momentum: false, rate: 0.01 },
  adadelta: { make: adadelta, momentum: false, rate: 1 },
  lars: { make: lars, momentum: true, rate: 0.1 },
  lamb: { make: lamb, momentum: false, rate: 1e-3 },
} as const;
export type OptimizerName = keyof typeof optimizers;
export const optimizerNames = Object.keys(optimizers) as OptimizerName[];

/** How a network is trained where the command line says nothing else. */
export interface Recipe {
  batch: number;
  optimizer: OptimizerName;
  learningRate: number;
  schedule: ScheduleName;
  loss: LossName;
  /** Undefined: the optimizer's own, as for the decay. */
  momentum?: number | undefined;
  weightDecay?: number | undefined;
  /** All gradients together have at most this norm. */
  clipNorm?: number | undefined;
  /** Images that pass at once. */
  microBatch?: number | undefined;
  groups: ParameterGroup[];
  preprocess: Preprocess;
}

/**
 * Caffe's lenet_solver.prototxt: pixels / 256, rate 0.01 with `inv` 1e-4 / 0.75, decay also of the
 * biases, which learn at twice the rate.
 * Source: https://github.com/BVLC/caffe/blob/master/examples/mnist/lenet_solver.prototxt
 */
const caffeLenet: Recipe = {
  batch: 64,
  optimizer: 'sgd',
  learningRate: 0.01,
  schedule: 'inv',
  loss: 'softmax',
  momentum: 0.9,
  weightDecay: 5e-4,
  groups: [{ match: /\.b$/, learningRateScale: 2 }],
  preprocess: { scale: 1 / 256 },
};

const plain: Recipe = {
  batch: 64,
  optimizer: 'sgd',
  learningRate: 0.01,
  schedule: 'constant',
  loss: 'softmax',
  momentum: 0.9,
  weightDecay: 5e-4,
  groups: [],
  preprocess: { scale: 1 / 255 },
};

/** What the command line may say. */
export type RecipeChoices = {
  [K in Exclude<keyof Recipe, 'groups' | 'preprocess'>]?: Recipe[K] | undefined;
};

/**
 * The network's recipe, with what was chosen instead. Another optimizer than the recipe's brings rate,
 * decay and momentum of its own, and a constant rate.
 */
export function recipeOf(model: ResolvedModel, choices: RecipeChoices = {}): Recipe {
  const known = model.zoo && model.name === 'lenet' ? caffeLenet : plain;
  const { optimizer = known.optimizer } = choices;
  if (choices.momentum !== undefined && !optimizers[optimizer].momentum)
    throw new UsageError(
      `${optimizer} has no momentum to set`,
      'Leave --momentum out, or use --optimizer sgd, rmsprop or lars.',
    );
  const { batch, loss, preprocess } = known;
  const given: Recipe =
    optimizer === known.optimizer
      ? known
      : {
          ...{ batch, loss, preprocess, optimizer },
          learningRate: optimizers[optimizer].rate,
          schedule: 'constant',
          groups: optimizer === 'lars' || optimizer === 'lamb' ? untrusted : [],
        };
  const chosen = Object.entries(choices).filter(([, value]) => value !== undefined);
  return { ...given, ...(Object.fromEntries(chosen) as Partial<Recipe>) };
}

/** Biases and normalisation: neither decay nor trust ratio, as You et al. train. */
const untrusted: ParameterGroup[] = [
  { match: /\.(b|gamma|beta)$/, weightDecay: 0, trustRatio: false },
];

/** The length of the run, for schedules that end with it. */
export interface RunLength {
  epochs: number;
  maxSteps: number | undefined;
}

function scheduleOf({ schedule, learningRate: from }: Recipe, run: RunLength): Schedule {
  const over = run.maxSteps ?? { epochs: Math.max(1, run.epochs) };
  switch (schedule) {
    case 'constant':
      return constant(from);
    case 'inv':
      return inv({ from, gamma: 1e-4, power: 0.75 });
    case 'step':
      return step({
        from,
        every: typeof over === 'number' ? Math.ceil(over / 3) : { epochs: over.epochs / 3 },
      });
    case 'polynomial':
      return polynomial({ from, over });
    case 'cosine':
      return cosine({ from, over });
  }
}

function optimizerOf(recipe: Recipe, run: RunLength): Optimizer {
  const { momentum, weightDecay, clipNorm, groups } = recipe;
  const options: OptimizerOptions & { momentum?: number } = {
    learningRate: scheduleOf(recipe, run),
    groups,
    ...(momentum === undefined ? {} : { momentum }),
    ...(weightDecay === undefined ? {} : { weightDecay }),
    ...(clipNorm === undefined ? {} : { clip: { norm: clipNorm } }),
  };
  return optimizers[recipe.optimizer].make(options);
}

export function trainerOptions(
  recipe: Recipe,
  run: RunLength,
): Pick<TrainerOptions, 'batch' | 'microBatch' | 'loss' | 'optimizer' | 'preprocess'> {
  const { batch, microBatch, loss, preprocess } = recipe;
  return {
    batch,
    ...(microBatch === undefined ? {} : { microBatch }),
    preprocess,
    loss: losses[loss](),
    optimizer: optimizerOf(recipe, run),
  };
}
