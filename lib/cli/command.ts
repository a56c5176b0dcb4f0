import type { Command } from 'commander';
import { Output } from './output.js';

/** A command with the options that every command has. */
export function addCommand(program: Command, usage: string, summary: string): Command {
  return program
    .command(usage)
    .summary(summary)
    .description(summary)
    .option('--json', 'print one line of JSON to standard output');
}

export interface CommonOptions {
  json?: true;
}

export function outputFor(options: CommonOptions): Output {
  return new Output(options.json === true);
}
