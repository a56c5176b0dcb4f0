import type { Command } from 'commander';
import { addCommand, outputFor, type CommonOptions } from './command.js';
import type { Precision } from '../program/precision.js';
import { modelArgument, resolveModel, zooHelp } from './model.js';
import { shared } from './options.js';

export function addSummary(program: Command): void {
  addCommand(program, 'summary', 'the layers of a network: volumes, parameters, memory')
    .argument('<model>', modelArgument)
    .addHelpText('after', zooHelp)
    .addOption(shared.precision('float32').default('float32'))
    .action(async (model: string, options: CommonOptions & { precision: Precision }) => {
      const { name, network } = await resolveModel(model);
      const summary = network.summary({ precision: options.precision });
      const { rows, totals } = summary;
      outputFor(options).result(
        { model: name, parameters: totals.parameters, layers: rows, totals },
        String(summary),
      );
    });
}
