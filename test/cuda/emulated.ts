// The emulated CUDA device as tests use it.
import { addon } from '../../lib/runtime/addon.js';
import { findCudaLibrary } from '../../lib/runtime/cuda.js';
import { skipGroup } from '../support/skip.js';

/** How the emulated card orders what CUDA leaves open. */
export interface Schedule {
  /** Of threads and blocks: `forward`, `reverse`, or `shuffled` and a seed. */
  order: 'forward' | 'reverse' | `shuffled ${number}`;
  /** When enqueued work runs: at the last legal moment, or at once. */
  timing: 'late' | 'early';
}

/** Every order with both timings. */
export const schedules: readonly Schedule[] = (['late', 'early'] as const).flatMap((timing) =>
  (['forward', 'reverse', 'shuffled 7'] as const).map((order) => ({ order, timing })),
);

/** Each order once, each timing at least once. */
export const fewSchedules: readonly Schedule[] = [
  { order: 'forward', timing: 'late' },
  { order: 'reverse', timing: 'early' },
  { order: 'shuffled 7', timing: 'late' },
];

/** What the card has done and holds. */
export interface CardCounts {
  allocations: number;
  frees: number;
  /** Of pinned memory. */
  hostAllocations: number;
  /** Of the host with a stream, an event or the card. */
  synchronizations: number;
  launches: number;
  graphLaunches: number;
  copies: number;
  blasCalls: number;
  /** Live blocks and bytes of device memory, and live blocks of pinned memory. */
  blocks: number;
  bytes: number;
  pinnedBlocks: number;
  /** What the emulator found last; empty: nothing. */
  finding: string;
}

/** The library's path; skips the group, or the test, where it was not built. */
export function emulatedLibrary(context: Mocha.Context): string {
  const { path } = findCudaLibrary(true);
  if (path === undefined) skipGroup(context, 'the emulated CUDA device (npm run build:emulator)');
  return path;
}

/** Speaks to the emulated card; native/emulator/inspect.h lists the commands. */
export class Card {
  constructor(private readonly library: string) {}

  ask(command: string): string {
    return addon().inspectPlugin(this.library, command);
  }

  schedule({ order, timing }: Schedule): void {
    this.ask(`schedule ${order}`);
    this.ask(`timing ${timing}`);
  }

  counts(): CardCounts {
    return JSON.parse(this.ask('counts')) as CardCounts;
  }

  /** The names of the nodes of the latest graph launch. */
  graph(): string[] {
    return JSON.parse(this.ask('graph')) as string[];
  }

  /** The n-th allocation or launch from now on fails; 0: none does. */
  fail(kind: 'allocation' | 'launch', n: number): void {
    this.ask(`fault ${kind} ${n}`);
  }
}
