/**
 * How much memory the arena takes over the lower bound, the largest sum of live bytes, and how long
 * planning takes: every network of the zoo, training and inference, batches of 1, 3 and 16.
 *
 *   npm run bench -- arena [--json] [--record]
 */
import { Command } from 'commander';
import { appendFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { sgd, softmaxCrossEntropy } from '../lib/index.js';
import { zoo } from '../lib/models/zoo.js';
import { packageRoot, version } from '../scripts/paths.js';

interface Row {
  net: string;
  kind: 'training' | 'inference';
  batch: number;
  buffers: number;
  /** Bytes of the arena over the lower bound. */
  ratio: number;
  /** Seconds to compile and plan. */
  seconds: number;
}

const batchSizes = [1, 3, 16];

function measure(): Row[] {
  const optimizer = sgd({ momentum: 0.9 });
  return Object.entries(zoo).flatMap(([net, build]) => {
    const network = build();
    return (['training', 'inference'] as const).flatMap((kind) =>
      batchSizes.map((batch): Row => {
        const began = performance.now();
        const plan = network.plan(
          kind === 'training' ? { batch, optimizer, loss: softmaxCrossEntropy() } : { batch },
        );
        const seconds = (performance.now() - began) / 1000;
        const { bytes, lowerBound, buffers } = plan.arena;
        return { net, kind, batch, buffers, ratio: bytes / lowerBound, seconds };
      }),
    );
  });
}

function print(rows: readonly Row[]): string {
  const ratios = rows.map(({ ratio }) => ratio);
  const mean = ratios.reduce((a, b) => a + b, 0) / ratios.length;
  const worst = rows.reduce((a, b) => (b.ratio > a.ratio ? b : a));
  const slowest = rows.reduce((a, b) => (b.seconds > a.seconds ? b : a));
  const name = ({ net, kind, batch }: Row): string => `${net}, ${kind}, batch ${batch}`;
  return [
    `${rows.length} plans, ${cpus()[0]?.model ?? 'unknown'}, striate ${version}`,
    `arena over lower bound  mean ${mean.toFixed(4)}, worst ${worst.ratio.toFixed(4)} (${name(worst)})`,
    `exactly the lower bound ${rows.filter(({ ratio }) => ratio === 1).length} of ${rows.length}`,
    `slowest                 ${slowest.seconds.toFixed(2)} s (${name(slowest)}, ${slowest.buffers} buffers)`,
    ...rows
      .filter(({ net, batch }) => net === 'resnet152' && batch === 16)
      .map((row) => `${name(row).padEnd(33)} ${row.seconds.toFixed(2)} s`),
  ].join('\n');
}

const options = new Command('bench arena')
  .argument('[arena]')
  .option('--json', 'one line of JSON')
  .option('--record', 'append the figures to bench/RESULTS.md')
  .parse()
  .opts<{ json?: true; record?: true }>();
const rows = measure();
console.log(options.json ? JSON.stringify(rows) : print(rows));
if (options.record) {
  const date = new Date().toISOString().slice(0, 10);
  appendFileSync(
    join(packageRoot, 'bench', 'RESULTS.md'),
    `\n## Arena over its lower bound, ${date}\n\n\`npm run bench -- arena\`\n\n\`\`\`\n${print(rows)}\n\`\`\`\n`,
  );
}
