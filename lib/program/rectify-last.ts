import type { Builder } from './builder.js';
import type { Access } from './program.js';
import type { Step } from './tape.js';
import type { Tensor } from './tensor.js';
import { coversStorage } from './views.js';

/**
 * A rectifier whose output is only pooled for its maximum comes after the pooling instead: the largest of
 * rectified values is the rectified largest, and the gradient of a window that is zero is zero either way.
 * Then what was to be pooled is needed no more once it is: the rectifier's gradient reads the pooled
 * volume, which is smaller. Before differentiation.
 */
export function rectifyLast(
  builder: Builder,
  outputs: readonly { readonly tensor: Tensor; readonly access?: Access }[],
): void {
  const { steps } = builder;
  const kept = new Set(outputs.map(({ tensor }) => tensor.storage));
  const readers = new Map<Tensor['storage'], { step: Step; tensor: Tensor }[]>();
  for (const step of [...steps, ...builder.commits])
    for (const { tensor, access } of step.operands.values())
      if (access === 'read')
        readers.set(tensor.storage, [...(readers.get(tensor.storage) ?? []), { step, tensor }]);
  for (const relu of [...steps]) {
    if (relu.op.name !== 'relu') continue;
    const [x, y] = [relu.operands.get('x')!, relu.operands.get('y')!];
    const [reader, ...others] = readers.get(y.tensor.storage) ?? [];
    const pool = reader?.step;
    if (pool?.op.name !== 'maxPool2d' || others.length > 0 || kept.has(y.tensor.storage)) continue;
    const pooled = pool.operands.get('y')!;
    const plain = pool.operands.get('x')!;
    // The same value, not a view of another shape: the tape follows values by their tensors.
    if (plain.tensor !== y.tensor || y.access !== 'overwrite' || pooled.access !== 'overwrite')
      continue;
    if (!coversStorage(pooled.tensor) || x.tensor.dtype !== y.tensor.dtype) continue;
    const { shape, batched, dtype } = pooled.tensor;
    const between = builder.tensor(shape, batched, {
      name: `${pool.layer}.x`,
      dtype,
      category: 'activations',
    });
    plain.tensor = x.tensor;
    y.tensor = pooled.tensor;
    x.tensor = between;
    pooled.tensor = between;
    steps.splice(steps.indexOf(relu), 1);
    steps.splice(steps.indexOf(pool) + 1, 0, relu);
  }
}
