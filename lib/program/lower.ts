import { StriateError } from '../errors.js';
import type { Layer, ParameterSpec } from '../graph/layer.js';
import type { Fit, Shape } from '../graph/shape.js';
import type { Builder } from './builder.js';
import { normalize } from './normalize.js';
import { perChannel, type Preprocess } from './preprocess.js';
import type { Tensor } from './tensor.js';
import { floatBytes, rowOf } from './views.js';

/** What the compiler needs of a network; `Network` of lib/graph is one. */
export interface NetworkDescription {
  /** Inputs before what is made of them. */
  readonly nodes: readonly {
    readonly id: number;
    readonly name: string;
    readonly layer: Layer | null;
    readonly inputs: readonly number[];
    readonly shape: Shape;
    readonly dtype: string;
  }[];
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
  /** Outputs that only training has. */
  readonly auxiliary?: readonly { readonly output: number; readonly weight: number }[];
  readonly fit: Fit;
  parameters(): readonly {
    readonly name: string;
    readonly layer: string;
    readonly spec: ParameterSpec;
  }[];
}

/** The type in which images arrive. */
export type InputDType = 'uint8' | 'float32' | 'float64';

export interface LoweredNetwork {
  /** By node. */
  readonly values: ReadonlyMap<number, Tensor>;
  readonly outputs: readonly Tensor[];
  /** Empty for inference. */
  readonly auxiliary: readonly { readonly output: Tensor; readonly weight: number }[];
}

/** Emits the forward pass: input normalisation, then each layer in order. */
export function lower(
  builder: Builder,
  network: NetworkDescription,
  options: {
    mode: 'train' | 'infer';
    differentiated: boolean;
    inputDtype: InputDType;
    preprocess: Preprocess;
  },
): LoweredNetwork {
  for (const { name, spec } of network.parameters()) {
    const region = spec.trainable ? 'parameters' : 'state';
    builder.parameters.set(
      name,
      builder.tensor(spec.shape, false, { name, dtype: builder.dtype, category: region, region }),
    );
  }
  const values = new Map<number, Tensor>();
  network.inputs.forEach((id, i) => {
    const node = network.nodes.find((n) => n.id === id);
    if (node === undefined) throw unknownNode(id);
    const name = i === 0 ? 'images' : `images${i + 1}`;
    values.set(
      id,
      node.dtype === 'int32'
        ? builder.input(name, node.shape, 'int32')
        : imagesInput(builder, name, node.shape, options),
    );
  });
  const valueOf = (id: number): Tensor => {
    const value = values.get(id);
    if (value === undefined) throw unknownNode(id);
    return value;
  };
  for (const node of network.nodes) {
    if (node.layer === null) continue;
    const { definition, options: layerOptions } = node.layer;
    const scope = builder.forwardScope({
      layer: node.name,
      mode: options.mode,
      differentiated: options.differentiated,
      fit: network.fit,
      outputShape: node.shape,
    });
    values.set(node.id, definition.forward(scope, node.inputs.map(valueOf), layerOptions));
  }
  const auxiliary = options.mode === 'train' ? (network.auxiliary ?? []) : [];
  return {
    values,
    outputs: network.outputs.map(valueOf),
    auxiliary: auxiliary.map(({ output, weight }) => ({ output: valueOf(output), weight })),
  };
}

/** The staged images as the first layers read them; used as they are where nothing would change. */
function imagesInput(
  builder: Builder,
  name: string,
  shape: Shape,
  { inputDtype, preprocess }: { inputDtype: InputDType; preprocess: Preprocess },
): Tensor {
  if (inputDtype === 'float64' && builder.dtype !== 'float64')
    throw new StriateError('INVALID_ARGUMENT', 'float64 images need a network in float64', {
      remedy: "use inputDtype 'float32' or 'uint8', or precision 'float64'",
    });
  const x = builder.input(name, shape, inputDtype);
  const { scale = 1 } = preprocess;
  if (!Number.isFinite(scale))
    throw new StriateError('INVALID_ARGUMENT', `preprocess.scale is ${scale}`, {
      remedy: 'give a finite number',
    });
  const mean = perChannel('mean', preprocess.mean, rowOf(x));
  const std = perChannel('std', preprocess.std, rowOf(x));
  if (inputDtype === builder.dtype && scale === 1 && mean === undefined && std === undefined)
    return x;
  const vector = (label: string, values: number[] | undefined): Tensor | undefined =>
    values &&
    builder.constant(
      `${name}.${label}`,
      builder.dtype,
      [values.length],
      floatBytes(values, builder.dtype),
    );
  const y = builder.tensor(shape, true, {
    name: `${name}.normalized`,
    dtype: builder.storageType,
    category: 'activations',
  });
  builder.emit(
    normalize,
    { scale },
    { x, mean: vector('mean', mean), std: vector('std', std), y },
    { layer: name, phase: 'forward' },
  );
  return y;
}

function unknownNode(id: number): StriateError {
  return new StriateError('INVALID_ARGUMENT', `the network uses node ${id} before it is made`, {
    remedy: 'build the network with network() or sequential()',
  });
}
