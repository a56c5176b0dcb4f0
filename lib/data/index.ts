export { fromArrays, type ArrayOptions } from './arrays.js';
export { batches, type Batch, type BatchOptions, type DataPosition } from './batches.js';
export {
  check,
  type CheckOptions,
  type CheckReport,
  type Finding as DataFinding,
} from './check.js';
export { cifar10, cifar100, type Cifar100Options, type CifarOptions } from './cifar.js';
export type { DataPass, Dataset, SampleArrays, TargetKind } from './dataset.js';
export { imageFolder, type ImageFolder, type ImageFolderOptions } from './images/folder.js';
export { imageList, type ImageListOptions } from './images/list.js';
export { imageNet, type ImageNet } from './images/imagenet.js';
export {
  fromRecords,
  type ImageRecord,
  type RecordOptions,
  type RecordSet,
} from './images/records.js';
export type { ImageSet, ImageSetOptions } from './images/set.js';
export { augmented, randomCrop, type RandomCropOptions } from './images/augmented.js';
export { colorJitter, pcaLighting, type ColorJitterOptions } from './images/colour.js';
export { randomErasing, type RandomErasingOptions } from './images/erase.js';
export { cutmix, mixed, mixup, type Mixer, type MixOptions } from './images/mix.js';
export { randAugment, type RandAugmentOptions } from './images/rand-augment.js';
export { multiScale, tenCrop, type Views } from './images/views.js';
export {
  centerCrop,
  cropAt,
  randomHorizontalFlip,
  randomResizedCrop,
  randomVerticalFlip,
  resize,
  type ImageTransform,
  type ImageView,
  type Pixels,
  type PixelTransform,
  type RandomResizedCropOptions,
  type ViewTransform,
} from './images/transforms.js';
export { fashionMnist, mnist, type IdxFolderOptions, type TrainAndTest } from './mnist.js';
export type { HttpOptions } from './shards/http.js';
export {
  pack,
  type PackOptions,
  type PackProgress,
  type ShardEntry,
  type ShardManifest,
} from './shards/pack.js';
export { tar, type TarOptions } from './shards/tar.js';
export { fromAsyncIterable, type StreamOptions, type StreamSample } from './stream.js';
export { split, splitByFile, subset, take } from './subsets.js';
export { synthetic, type SyntheticOptions } from './synthetic.js';
