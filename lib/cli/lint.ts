import type { Command } from 'commander';
import { lint, printFindings } from '../reports/lint/index.js';
import { addCommand, outputFor, type CommonOptions } from './command.js';
import { modelArgument, resolveModel, zooHelp } from './model.js';

export function addLint(program: Command): void {
  addCommand(program, 'lint', 'what the sizing rules of the CS231n notes say of a network')
    .argument('<model>', modelArgument)
    .addHelpText('after', zooHelp)
    .action(async (model: string, options: CommonOptions) => {
      const { name, network } = await resolveModel(model);
      const findings = lint(network);
      outputFor(options).result({ model: name, findings }, printFindings(findings));
    });
}
