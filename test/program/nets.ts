import { input, type Value } from '../../lib/graph/value.js';
import { network, type Network } from '../../lib/graph/network.js';
import { sequential } from '../../lib/graph/sequential.js';
import {
  add,
  avgPool2d,
  batchNorm,
  concat,
  conv2d,
  dense,
  dropout,
  flatten,
  globalAvgPool2d,
  maxPool2d,
  relu,
} from '../../lib/layers/index.js';
import { softmaxCrossEntropy } from '../../lib/losses/index.js';
import { sgd } from '../../lib/optimizers/index.js';
import type { Program, ProgramInstruction } from '../../lib/program/program.js';

export const recipe = {
  batch: 4,
  loss: softmaxCrossEntropy(),
  optimizer: sgd({ momentum: 0.9 }),
};

export function lenet(): Network {
  return sequential(
    [28, 28, 1],
    [
      conv2d({ filters: 20, size: 5 }),
      maxPool2d({ size: 2, stride: 2 }),
      conv2d({ filters: 50, size: 5 }),
      maxPool2d({ size: 2, stride: 2 }),
      flatten(),
      dense({ units: 500 }),
      relu(),
      dense({ units: 10 }),
    ],
  );
}

const conv = (filters: number) => conv2d({ filters, size: 3, padding: 1, bias: false });

/** Two branches of one value, joined by a sum. */
export function diamond(): Network {
  const x = input([6, 6, 3]);
  const stem = conv(4)(x);
  return network(x, dense({ units: 3 })(add(conv(4)(stem), conv(4)(stem))));
}

/** A residual block with batch normalisation, as in ResNet. */
export function residual(): Network {
  const x = input([6, 6, 3]);
  const stem = relu()(batchNorm()(conv(4)(x)));
  const a = relu()(batchNorm()(conv(4)(stem)));
  const b = batchNorm()(conv(4)(a));
  return network(x, dense({ units: 3 })(globalAvgPool2d()(relu()(add(b, stem)))));
}

/** An inception-like module, whose output is joined again. */
export function nestedConcat(): Network {
  const x = input([6, 6, 3]);
  const stem = relu()(conv(4)(x));
  const inner = concat(relu()(conv(2)(stem)), relu()(conv(3)(stem)));
  const outer = concat(
    inner,
    relu()(conv(5)(stem)),
    maxPool2d({ size: 3, stride: 1, padding: 1 })(stem),
  );
  return network(x, dense({ units: 3 })(outer));
}

/** One layer applied twice. */
export function sharedLayer(): Network {
  const x = input([6, 6, 3]);
  const shared = conv2d({ filters: 3, size: 3, padding: 1, name: 'shared' });
  return network(x, dense({ units: 3 })(relu()(shared(relu()(shared(x))))));
}

/** Everything at once: branch, concat, BN, pooling of both kinds, dropout, a layer applied twice. */
export function mixture(options: { dropout?: boolean } = {}): Network {
  const x = input([7, 7, 2]);
  const stem = relu()(batchNorm()(conv(4)(x)));
  const shared = conv2d({ filters: 4, size: 3, padding: 1, name: 'shared' });
  const twice = shared(relu()(shared(stem)));
  const pooled = avgPool2d({ size: 3, stride: 1, padding: 1 })(stem);
  const joined = concat(add(twice, stem), pooled, conv2d({ filters: 3, size: 1 })(twice));
  const small = maxPool2d({ size: 3, stride: 2 })(joined);
  const dropped = options.dropout === false ? small : dropout({ rate: 0.3 })(small);
  return network(x, dense({ units: 3 })(flatten()(dropped)));
}

/** A random network of a few layers over 5x5 volumes; the same one for the same seed. */
export function randomNetwork(seed: number): Network {
  let state = seed * 2654435761 + 1;
  const draw = (n: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
  };
  const x = input([5, 5, 2]);
  const values: Value[] = [relu()(conv(3)(x))];
  const shared = conv2d({ filters: 3, size: 3, padding: 1, name: 'shared' });
  const pick = (): Value => values[draw(values.length)]!;
  const kinds: (() => Value)[] = [
    () => conv(1 + draw(4))(pick()),
    () => relu()(pick()),
    () => batchNorm()(pick()),
    () => dropout({ rate: 0.5 })(pick()),
    () => maxPool2d({ size: 3, stride: 1, padding: 1 })(pick()),
    () => {
      const a = pick();
      const same = values.filter((v) => v.shape.at(-1) === a.shape.at(-1));
      return add(a, same[draw(same.length)]!);
    },
    () => concat(pick(), pick()),
    () => concat(pick(), pick(), pick()),
    () => {
      const narrow = values.filter((v) => v.shape.at(-1) === 3);
      return shared(narrow[draw(narrow.length)]!);
    },
  ];
  for (let i = 0; i < 3 + draw(14); i++) values.push(kinds[draw(kinds.length)]!());
  return network(x, dense({ units: 3 })(globalAvgPool2d()(concat(values.at(-1)!, pick()))));
}

export function named(program: Program, op: string): ProgramInstruction[] {
  return program.instructions.filter((i) => i.op === op);
}

export function clone(program: Program): Program {
  return structuredClone(program);
}
