import { availableParallelism } from 'node:os';
import type { Dataset } from '../data/dataset.js';

/** Threads that files are read and images decoded on, unless UV_THREADPOOL_SIZE says otherwise. */
const usualThreads = 4;

/** Below this share of the time the data is no worry. */
const worry = 0.2;

/** What may help when steps wait for their data; `share` is the part of the time that they do. */
export function dataAdvice(set: Dataset, share: number): string | undefined {
  if (!(share > worry)) return undefined;
  const waited = `${Math.round(100 * share)} % of the time was spent waiting for data`;
  const { workers } = set;
  if (workers === undefined)
    return `${waited}: make the set's read() faster, keep the set in memory, or pack it.`;
  const cores = availableParallelism();
  const threads = Number(process.env.UV_THREADPOOL_SIZE ?? usualThreads);
  const steps = [
    ...(workers < cores
      ? [`decode more images at a time (workers: ${cores}, now ${workers})`]
      : []),
    ...(threads < Math.max(workers, cores)
      ? [`start Node with UV_THREADPOOL_SIZE=${Math.max(workers, cores)} (now ${threads})`]
      : []),
    'store smaller images once (striate pack --size 256)',
    'leave out costly transforms',
  ];
  return `${waited}: ${steps.join(', or ')}.`;
}
