/**
 * How late a 10 ms timer of the JavaScript thread is while `fit()` runs, beside a control run with as
 * many spinning threads, and how long the longest call into the addon holds that thread.
 *
 *   npx tsx bench/latency.ts [--seconds 30] [--threads 2] [--json]
 */
import { Command } from 'commander';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { count } from '../lib/cli/options.js';
import { data, device as openDevice, models, sgd, softmaxCrossEntropy } from '../lib/index.js';
import { timeCalls, type LongestCalls } from './native-calls.js';
import { quantile } from './statistics.js';

interface LatencyOptions {
  seconds: number;
  threads: number;
  json?: true;
}

const period = 10;

interface Lateness {
  samples: number;
  /** Milliseconds. */
  median: number;
  p999: number;
  most: number;
}

/** Lateness of a timer that is set anew every 10 ms, while `work` runs. */
async function lateness(work: Promise<unknown>): Promise<Lateness> {
  const late: number[] = [];
  let running = true;
  const done = work.finally(() => (running = false));
  while (running) {
    const due = performance.now() + period;
    await sleep(period);
    late.push(Math.max(0, performance.now() - due));
  }
  await done;
  return {
    samples: late.length,
    median: quantile(late, 0.5),
    p999: quantile(late, 0.999),
    most: Math.max(...late),
  };
}

async function fitFor(
  seconds: number,
  threads: number,
): Promise<{ own: Lateness; calls: LongestCalls }> {
  const { train } = await data.mnist();
  await using device = await openDevice('cpu', { threads });
  const calls: LongestCalls = {};
  Object.assign(device, { native: timeCalls(device.native, calls) });
  await using trainer = await models.lenet().trainer({
    device,
    batch: 64,
    loss: softmaxCrossEntropy(),
    optimizer: sgd({ learningRate: 0.01, momentum: 0.9 }),
  });
  const signal = AbortSignal.timeout(seconds * 1000);
  const fit = trainer.fit(train, { epochs: 1000, signal }).then(
    () => undefined,
    (error: unknown) => {
      if ((error as { code?: string }).code !== 'CANCELLED') throw error;
    },
  );
  return { own: await lateness(fit), calls };
}

async function spinFor(seconds: number, threads: number): Promise<Lateness> {
  const workers = Array.from({ length: threads }, () => new Worker('for (;;);', { eval: true }));
  const control = await lateness(sleep(seconds * 1000));
  await Promise.all(workers.map((worker) => worker.terminate()));
  return control;
}

const { seconds, threads, json } = new Command('latency')
  .option('--seconds <n>', 'length of each run', count, 30)
  .option('--threads <n>', 'threads', count, 2)
  .option('--json', 'one line of JSON')
  .parse()
  .opts<LatencyOptions>();
const control = await spinFor(seconds, threads);
const { own, calls } = await fitFor(seconds, threads);
if (json) console.log(JSON.stringify({ threads, seconds, fit: own, control, longestCalls: calls }));
else {
  const line = ({ samples, median, p999, most }: Lateness): string =>
    `median ${median.toFixed(2)} ms, p99.9 ${p999.toFixed(2)} ms, most ${most.toFixed(2)} ms of ${samples}`;
  console.log(`during fit()     ${line(own)}`);
  console.log(`spinning threads ${line(control)}`);
  console.log('longest calls, without the wait for a core:');
  for (const [name, { elapsed, held }] of Object.entries(calls))
    console.log(
      `  ${name.padEnd(18)} ${held.toFixed(2)} ms (${elapsed.toFixed(2)} ms by the clock)`,
    );
}
