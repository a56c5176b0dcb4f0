/** Striate: convolutional networks, trained from Node. */

export {
  CancelledError,
  FormatError,
  OutOfDeviceMemoryError,
  ShapeError,
  StriateError,
  type ErrorCode,
  type StriateErrorOptions,
} from './errors.js';

export { input, type Value } from './graph/value.js';
export { scope } from './graph/names.js';
export {
  network,
  Network,
  type Auxiliary,
  type AuxiliaryOutput,
  type NetworkNode,
  type NetworkOptions,
  type NetworkParameter,
  type NetworkPlanOptions,
} from './graph/network.js';
export type { NetworkJson } from './graph/network-json.js';
export { sequential } from './graph/sequential.js';
export {
  architecture,
  printNetwork,
  type ArchitectureOptions,
} from './graph/architecture/index.js';
export type { Fit as ShapeFit, Shape } from './graph/shape.js';
export type { Layer } from './graph/layer.js';

export * from './layers/index.js';
export * from './losses/index.js';
export * from './optimizers/index.js';
export * from './schedules/index.js';
// `constant` is the initializer; a constant learning rate is a plain number.
export {
  constant,
  gaussian,
  glorotNormal,
  glorotUniform,
  heNormal,
  heUniform,
  uniform,
  xavier,
  type Initializer,
} from './initializers/index.js';
export type { Plan } from './program/plan.js';
export type { Precision } from './program/precision.js';
export { liveTensors, type LiveTensor } from './runtime/trace.js';
export type { Recompute } from './program/recompute-options.js';
export type { Summary, SummaryOptions, SummaryRow } from './reports/summary.js';
export type { ReceptiveField } from './reports/receptive-field.js';
export { lint, printFindings, type Finding } from './reports/lint/index.js';
export { draw, type DrawOptions } from './reports/drawing/index.js';
export * from './conversions/index.js';

export {
  device,
  devices,
  type Device,
  type DeviceListing,
  type DeviceMemory,
  type DeviceOptions,
} from './runtime/device.js';
export type { Tensor } from './runtime/tensor.js';
export { fromHalf, toHalf, type HalfType } from './program/half.js';

export { batches, fromArrays, fromAsyncIterable, split, subset, take } from './data/index.js';
export type {
  ArrayOptions,
  Batch,
  BatchOptions,
  DataPosition,
  Dataset,
  SampleArrays,
  StreamOptions,
  StreamSample,
  TargetKind,
} from './data/index.js';
export * as data from './data/index.js';
export * as models from './models/index.js';

export type { Epoch, Fit, FitOptions, History } from './training/fit.js';
export type { EvaluateOptions } from './training/evaluate.js';
export type { Metrics } from './training/metrics.js';
export type { MeasuredBatch, MetricFunction, MetricFunctions } from './training/own-metrics.js';
export type { GradientOptions, Reading } from './training/reader.js';
export {
  load,
  type Classification,
  type ClassifyOptions,
  type LoadOptions,
  type Model,
  type ModelSource,
  type Prediction,
} from './training/model.js';
export type {
  StepBatch,
  StepResult,
  Trainer,
  TrainerMemory,
  TrainerOptions,
} from './training/trainer.js';
export { evaluateViews, type EvaluateViewsOptions, type ViewPredictor } from './training/views.js';
export { fromPytorch, toPytorch, type PytorchOptions } from './formats/pytorch.js';
export type { LossScaleOptions, LossScaleState } from './training/loss-scale.js';
export { readWeights, Weights, writeWeights } from './training/weights.js';
export type { HostData, HostDType, HostTensor } from './training/weights.js';
