import { writeSync } from 'node:fs';
import type { DType } from '../program/program.js';

/** A tensor that was made and not yet disposed of. */
export interface LiveTensor {
  /** `'cpu'`, `'cuda:0'` */
  device: string;
  shape: readonly number[];
  dtype: DType;
  bytes: number;
  /** The calls that made it, innermost first. */
  stack: string;
}

interface Entry extends LiveTensor {
  isLive(): boolean;
}

const reports = process.env.STRIATE_REPORT_LEAKS === '1';
const traces = reports || process.env.STRIATE_TRACE_TENSORS === '1';

const live = new Map<number, Entry>();
/** Of tensors that nobody disposed of before the garbage collector found them. */
const collected: Entry[] = [];
/** Collected tensors that are remembered. */
const mostCollected = 100;
let made = 0;
let dropped = 0;

const finalizers = new FinalizationRegistry<number>((number) => {
  const entry = live.get(number);
  if (entry === undefined) return;
  live.delete(number);
  if (collected.length < mostCollected) collected.push(entry);
  else dropped++;
});

/**
 * Remembers a tensor and the stack that made it, where STRIATE_TRACE_TENSORS or STRIATE_REPORT_LEAKS is 1.
 * Returns what forgets it again.
 */
export function traceTensor(
  tensor: object,
  description: Omit<LiveTensor, 'stack'>,
  isLive: () => boolean,
): (() => void) | undefined {
  if (!traces) return undefined;
  if (reports && made === 0) process.once('exit', reportLeaks);
  const number = ++made;
  const holder: { stack?: string } = {};
  Error.captureStackTrace(holder, traceTensor);
  const stack = (holder.stack ?? '').split('\n').slice(1).join('\n');
  live.set(number, { ...description, stack, isLive });
  finalizers.register(tensor, number, tensor);
  return () => {
    live.delete(number);
    finalizers.unregister(tensor);
  };
}

/**
 * The tensors that are alive on open devices, oldest first, with the stacks that made them. Empty unless the
 * environment variable STRIATE_TRACE_TENSORS is 1 when Striate is loaded.
 */
export function liveTensors(): LiveTensor[] {
  return [...live.values()].filter((entry) => entry.isLive()).map(plain);
}

function plain({ device, shape, dtype, bytes, stack }: Entry): LiveTensor {
  return { device, shape: [...shape], dtype, bytes, stack };
}

/** To standard error, with STRIATE_REPORT_LEAKS=1, when the process ends. */
function reportLeaks(): void {
  const left = liveTensors();
  const describe = (what: string, tensors: readonly LiveTensor[], more = 0): string[] =>
    tensors.length === 0
      ? []
      : [
          `striate: ${tensors.length + more} tensors ${what}:`,
          ...tensors.map(
            ({ device, shape, dtype, bytes, stack }) =>
              `  ${dtype} [${shape.join(', ')}], ${bytes} bytes on ${device}, made at\n${stack}`,
          ),
        ];
  const lines = [
    ...describe('were never disposed of', left),
    ...describe('were left to the garbage collector', collected.map(plain), dropped),
  ];
  writeSync(2, `${lines.length === 0 ? 'striate: no tensor leaked' : lines.join('\n')}\n`);
}
