import { Option, type Command } from 'commander';
import { writeAll, writeAtomically } from '../formats/atomic.js';
import { draw, type DrawOptions } from '../reports/drawing/index.js';
import { addCommand, outputFor, type CommonOptions } from './command.js';
import { modelArgument, resolveModel, zooHelp } from './model.js';

interface Options extends CommonOptions {
  out?: string;
  style?: DrawOptions['style'];
}

export function addDraw(program: Command): void {
  addCommand(program, 'draw', 'a picture of a network, as SVG')
    .argument('<model>', modelArgument)
    .addHelpText('after', zooHelp)
    .option('--out <file>', 'where to write it; default: <model>.svg')
    .addOption(
      new Option(
        '--style <style>',
        'boxes to scale, or layers and arrows; default: by the network',
      ).choices(['volumes', 'graph']),
    )
    .action(async (model: string, options: Options) => {
      const { name, network } = await resolveModel(model);
      const { style, out = `${name.replace(/[^\w.-]+/g, '-').slice(0, 60)}.svg` } = options;
      const svg = await draw(network, { title: name, ...(style === undefined ? {} : { style }) });
      const bytes = Buffer.from(svg);
      await writeAtomically(out, (file) => writeAll(file, bytes));
      outputFor(options).result({ model: name, file: out, bytes: bytes.length }, `wrote ${out}`);
    });
}
