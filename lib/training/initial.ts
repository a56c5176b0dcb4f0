import { StriateError } from '../errors.js';
import type { Network, NetworkParameter } from '../graph/network.js';
import { elementsOf, sameShape } from '../graph/shape.js';
import { initialize } from '../initializers/index.js';
import type { ComputeType } from '../program/precision.js';
import { convertData, type HostTensor } from './weights.js';

/** Which weights a network takes from a file or from another network. */
export interface LoadRules {
  weights: ReadonlyMap<string, HostTensor> | undefined;
  /**
   * Names that need not fit: parameters which the weights lack or hold in another shape start afresh,
   * weights which the network lacks are left alone. Any other mismatch throws.
   */
  missing: readonly RegExp[] | undefined;
}

/**
 * Each parameter's first values: from the weights, or drawn by (seed, name).
 * @throws StriateError `INVALID_ARGUMENT` listing every name that does not fit.
 */
export function initialValues(
  network: Network,
  seed: number,
  dtype: ComputeType,
  rules: LoadRules,
): Map<string, Float32Array | Float64Array> {
  const loaded =
    rules.weights === undefined ? undefined : matching(network, rules.weights, rules.missing ?? []);
  const values = new Map<string, Float32Array | Float64Array>();
  for (const { name, spec } of network.parameters()) {
    const tensor = loaded?.get(name);
    values.set(
      name,
      tensor ? convertData(name, tensor.data, dtype) : initialize(spec, seed, name, dtype),
    );
  }
  return values;
}

/** The weights that the network takes. */
function matching(
  network: Network,
  weights: ReadonlyMap<string, HostTensor>,
  missing: readonly RegExp[],
): Map<string, HostTensor> {
  const parameters = network.parameters();
  const names = new Set(parameters.map(({ name }) => name));
  const allowed = (name: string): boolean => missing.some((pattern) => name.search(pattern) >= 0);
  for (const [name, tensor] of weights) checkTensor(name, tensor);
  const problems = [...weights.keys()]
    .filter((name) => !names.has(name) && !allowed(name))
    .map((name) => `${name} is not in the network`);
  const taken = new Map<string, HostTensor>();
  for (const parameter of parameters) {
    const tensor = weights.get(parameter.name);
    const problem = mismatch(parameter, tensor);
    if (tensor && problem === undefined) taken.set(parameter.name, tensor);
    else if (problem !== undefined && !allowed(parameter.name)) problems.push(problem);
  }
  if (problems.length > 0) throw doesNotFit(problems);
  return taken;
}

function mismatch(
  { name, spec }: NetworkParameter,
  tensor: HostTensor | undefined,
): string | undefined {
  if (!tensor) return `${name} is missing`;
  if (!sameShape(tensor.shape, spec.shape))
    return `${name} is [${tensor.shape.join(', ')}], the network has [${spec.shape.join(', ')}]`;
  const elements = elementsOf(spec.shape);
  if (tensor.data.length === elements) return undefined;
  return `${name} holds ${tensor.data.length} elements, [${spec.shape.join(', ')}] has ${elements}`;
}

/** Weights from plain JavaScript may hold anything. */
function checkTensor(name: string, tensor: Partial<HostTensor> | undefined): void {
  if (Array.isArray(tensor?.shape) && ArrayBuffer.isView(tensor.data)) return;
  throw new StriateError('INVALID_ARGUMENT', `the weights' entry ${name} is no array`, {
    remedy: 'Give { dtype, shape, data } by name, as readWeights() does.',
  });
}

function doesNotFit(problems: readonly string[]): StriateError {
  const shown = problems.slice(0, 8).join('; ');
  const more = problems.length > 8 ? `; and ${problems.length - 8} more` : '';
  return new StriateError(
    'INVALID_ARGUMENT',
    `the weights do not fit the network: ${shown}${more}`,
    {
      remedy: `Name what may differ with the option missing: [${patternsOf(problems)}].`,
      details: { problems },
    },
  );
}

/** A pattern for each layer that a problem begins with: `/^head\./`; for a few of them. */
function patternsOf(problems: readonly string[]): string {
  const layers = problems.map((problem) => problem.replace(/\.[^.]* .*/, ''));
  const patterns = [...new Set(layers)].map((layer) => `/^${layer.replaceAll('/', '\\/')}\\./`);
  return [...patterns.slice(0, 4), ...(patterns.length > 4 ? ['...'] : [])].join(', ');
}
