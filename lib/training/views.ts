import { BatchReader } from '../data/batches.js';
import type { ImageSet } from '../data/images/set.js';
import { invalid } from '../graph/options.js';
import type { Metrics } from './metrics.js';
import type { Images } from './images.js';
import type { Prediction } from './classify.js';

export interface EvaluateViewsOptions {
  /** Views at a time; rounded to whole images. Default 100. */
  batch?: number;
  signal?: AbortSignal;
}

/** What predicts: a model or a trainer. */
export interface ViewPredictor {
  predict(x: Images): Promise<Prediction>;
}

/**
 * Loss and accuracy where every image is seen through several views (`views: data.tenCrop(224)`): the
 * probabilities of its views are averaged, as AlexNet and VGG were evaluated.
 * @param set its samples are the views, those of an image one behind the other
 * @throws StriateError `INVALID_ARGUMENT` for outputs that are no classes; as reading and `predict`
 */
export async function evaluateViews(
  model: ViewPredictor,
  set: ImageSet,
  options: EvaluateViewsOptions = {},
): Promise<Metrics> {
  const { views } = set;
  const { batch = 100, signal } = options;
  const images = Math.max(1, Math.floor(batch / views));
  const reader = new BatchReader(
    set,
    {
      batch: images * views,
      shuffle: false,
      prefetch: 2,
      ...(signal === undefined ? {} : { signal }),
    },
    true,
  );
  const sums = { loss: 0, count: 0, top1: 0, top5: 0 };
  let classes = 0;
  try {
    for (let found = await reader.read(); found; found = await reader.read()) {
      const { data, shape } = await model.predict(found.x);
      if (shape.length !== 2)
        throw invalid(
          `the outputs have the shape [${shape.join(', ')}]`,
          'Use a network that ends in one number a class.',
        );
      classes = shape[1]!;
      for (let i = 0; i < found.n; i += views) {
        const label = found.target[i]!;
        // An image that was skipped counts nowhere.
        if (label < 0) continue;
        const mean = meanProbabilities(data, i, views, classes);
        const rank = rankOf(mean, label);
        sums.loss -= Math.log(mean[label]!);
        sums.count++;
        if (rank < 1) sums.top1++;
        if (rank < 5) sums.top5++;
      }
    }
  } finally {
    await reader.close();
  }
  const { loss, count, top1, top5 } = sums;
  return {
    loss: loss / count,
    accuracy: top1 / count,
    ...(classes > 5 ? { top5: top5 / count } : {}),
    count,
  };
}

/** Of the views from `first` on, each a row of outputs. */
function meanProbabilities(
  data: ArrayLike<number>,
  first: number,
  views: number,
  classes: number,
): Float64Array {
  const mean = new Float64Array(classes);
  for (let view = first; view < first + views; ++view) {
    let largest = -Infinity;
    for (let c = 0; c < classes; ++c) largest = Math.max(largest, data[view * classes + c]!);
    let sum = 0;
    for (let c = 0; c < classes; ++c) sum += Math.exp(data[view * classes + c]! - largest);
    for (let c = 0; c < classes; ++c)
      mean[c]! += Math.exp(data[view * classes + c]! - largest) / (sum * views);
  }
  return mean;
}

/** How many come before the label; of equals the first comes first, what is no number counts as wrong. */
function rankOf(values: Float64Array, label: number): number {
  const own = values[label]!;
  let rank = 0;
  values.forEach((value, i) => {
    if (!(value < own) && i !== label && (value !== own || i < label)) rank++;
  });
  return rank;
}
