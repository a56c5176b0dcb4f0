import { softmaxCrossEntropy, svmHinge, type Loss } from '../losses/index.js';
import { sgd, type ParameterGroup } from '../optimizers/index.js';
import type { Preprocess } from '../program/preprocess.js';
import { constant, cosine, inv, polynomial, step, type Schedule } from '../schedules/index.js';
import type { TrainerOptions } from '../training/trainer.js';
import type { ResolvedModel } from './model.js';

export const scheduleNames = ['constant', 'inv', 'step', 'polynomial', 'cosine'] as const;
export type ScheduleName = (typeof scheduleNames)[number];

/** Losses over labels, which is what the data sets of the command line have. */
const losses = {
  softmax: () => softmaxCrossEntropy(),
  'softmax-smoothed': () => softmaxCrossEntropy({ labelSmoothing: 0.1 }),
  'svm-hinge': () => svmHinge(),
  'svm-hinge-squared': () => svmHinge({ squared: true }),
} satisfies Record<string, () => Loss>;
export type LossName = keyof typeof losses;
export const lossNames = Object.keys(losses) as LossName[];

/** How a network is trained where the command line says nothing else. */
export interface Recipe {
  batch: number;
  learningRate: number;
  schedule: ScheduleName;
  loss: LossName;
  momentum: number;
  weightDecay: number;
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
  learningRate: 0.01,
  schedule: 'constant',
  loss: 'softmax',
  momentum: 0.9,
  weightDecay: 5e-4,
  groups: [],
  preprocess: { scale: 1 / 255 },
};

export function recipeOf(model: ResolvedModel): Recipe {
  return model.zoo && model.name === 'lenet' ? caffeLenet : plain;
}

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

export function trainerOptions(
  recipe: Recipe,
  run: RunLength,
): Pick<TrainerOptions, 'batch' | 'loss' | 'optimizer' | 'preprocess'> {
  const { batch, loss, momentum, weightDecay, groups, preprocess } = recipe;
  return {
    batch,
    preprocess,
    loss: losses[loss](),
    optimizer: sgd({ learningRate: scheduleOf(recipe, run), momentum, weightDecay, groups }),
  };
}
