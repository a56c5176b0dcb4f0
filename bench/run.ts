/**
 * Striate beside PyTorch: turns of both alternate, the ratio is taken in every round, and the median of the
 * rounds counts. Both compute the same network from the same parameters on the same batches, and what they
 * compute must agree.
 *
 *   npm run bench -- --net lenet resnet18 --peer pytorch [--inference] [--json] [--record]
 *   npm run bench -- --layers vgg16 --peer pytorch
 *   npm run bench -- --gemm
 *   npm run bench -- arena | memory | loader   (bench/arena.ts, memory.ts, loader.ts)
 */
import { Command, Option } from 'commander';
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { count } from '../lib/cli/options.js';
import { packageRoot } from '../scripts/paths.js';
import { measureGemm, printGemm } from './gemm.js';
import { layerTables, measureLayers, printLayers, type TableName } from './layers.js';
import { networkNames, type NetworkName } from './networks.js';
import { measureThroughput, printThroughput } from './throughput.js';

interface BenchOptions {
  net?: NetworkName[];
  layers?: TableName[];
  gemm?: true;
  inference?: true;
  peer: 'pytorch' | 'none';
  rounds: number;
  steps?: number;
  batch?: number;
  threads: number;
  json?: true;
  record?: true;
}

interface Entry {
  title: string;
  report: object;
  text: string;
}

async function main(): Promise<void> {
  const options = new Command('bench')
    .addOption(new Option('--net <names...>', 'whole networks').choices(networkNames))
    .addOption(new Option('--layers <tables...>', 'convolutions').choices(Object.keys(layerTables)))
    .option('--gemm', 'square matrix products, beside the peak')
    .option('--inference', 'networks: inference instead of training')
    .addOption(new Option('--peer <name>', 'rival').choices(['pytorch', 'none']).default('none'))
    .option('--rounds <n>', 'rounds', count, 7)
    .option('--steps <n>', 'steps a turn', count)
    .option('--batch <n>', 'images a step', count)
    .option('--threads <n>', 'threads of both', count, 2)
    .option('--json', 'one line of JSON an entry')
    .option('--record', 'append the figures to bench/RESULTS.md')
    .parse()
    .opts<BenchOptions>();
  for await (const { title, report, text } of entries(options)) {
    console.log(options.json ? JSON.stringify(report) : text);
    if (options.record)
      appendFileSync(join(packageRoot, 'bench', 'RESULTS.md'), record(title, text));
  }
}

async function* entries(options: BenchOptions): AsyncGenerator<Entry> {
  const none = !options.net && !options.layers && !options.gemm;
  for (const net of options.net ?? (none ? (['lenet'] as const) : [])) {
    const report = await measureThroughput(net, options);
    yield { title: `${net}, ${report.mode}`, report, text: printThroughput(report) };
  }
  for (const table of options.layers ?? []) {
    const report = await measureLayers(table, options);
    yield { title: `Convolutions of ${table}`, report, text: printLayers(report) };
  }
  if (options.gemm) {
    const report = await measureGemm(options);
    yield { title: 'Matrix product', report, text: printGemm(report) };
  }
}

function record(title: string, text: string): string {
  const date = new Date().toISOString().slice(0, 10);
  return `\n## ${title}, ${date}\n\n\`\`\`\n${text}\n\`\`\`\n`;
}

const [first, ...rest] = process.argv.slice(2);
if (first === 'arena') await import('./arena.js');
else if (first === 'memory') await import('./memory.js');
else if (first === 'loader') await (await import('./loader.js')).main(rest);
else await main();
