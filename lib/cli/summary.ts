import type { Command } from 'commander';
import { addCommand, outputFor, type CommonOptions } from './command.js';
import { modelArgument, resolveModel, zooHelp } from './model.js';

export function addSummary(program: Command): void {
  addCommand(program, 'summary', 'the layers of a network: volumes, parameters, memory')
    .argument('<model>', modelArgument)
    .addHelpText('after', zooHelp)
    .action(async (model: string, options: CommonOptions) => {
      const { name, network } = await resolveModel(model);
      const summary = network.summary();
      const { rows, totals } = summary;
      outputFor(options).result(
        { model: name, parameters: totals.parameters, layers: rows, totals },
        String(summary),
      );
    });
}
