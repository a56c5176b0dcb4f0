import { Command, CommanderError } from 'commander';
import { version } from '../../scripts/paths.js';
import { addBuild } from './build.js';
import { addData } from './data.js';
import { addDevices } from './devices.js';
import { addDoctor } from './doctor.js';
import { addDraw } from './draw.js';
import { addEvaluate } from './evaluate.js';
import { addLint } from './lint.js';
import { Output, UsageError } from './output.js';
import { addPack } from './pack.js';
import { addPlan } from './plan.js';
import { addPredict } from './predict.js';
import { addProfile } from './profile.js';
import { addSummary } from './summary.js';
import { addTrain } from './train.js';

const usage = 2;

/**
 * Runs the command line. Sets `process.exitCode`: 0 done, 1 failure, 2 wrong usage, 130 and 143 after
 * SIGINT and SIGTERM.
 */
export async function main(args: readonly string[]): Promise<void> {
  const program = new Command('striate')
    .description('Trains convolutional networks.')
    .version(version, '-v, --version')
    .helpCommand(false)
    .exitOverride()
    // Usage errors are printed below, once, in the form that --json asks for.
    .configureOutput({ outputError: () => undefined });
  for (const add of [
    addTrain,
    addEvaluate,
    addPredict,
    addSummary,
    addPlan,
    addLint,
    addDraw,
    addProfile,
    addPack,
    addData,
    addDevices,
    addDoctor,
    addBuild,
  ]) {
    add(program);
  }
  try {
    await program.parseAsync(args, { from: 'user' });
  } catch (error) {
    process.exitCode = exitCodeOf(error, new Output(args.includes('--json')));
  }
}

function exitCodeOf(error: unknown, output: Output): number {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return 0;
    // Help that was shown because the command is missing has been printed already.
    if (error.code !== 'commander.help') output.failure(usageError(error));
    else if (output.json) output.failure(new UsageError('no command', 'Run: striate --help'));
    return usage;
  }
  output.failure(error);
  return error instanceof UsageError ? usage : 1;
}

/** Commander's message is `error: ...`, and on a second line the nearest name in parentheses. */
function usageError({ message }: CommanderError): UsageError {
  const [what = '', suggestion] = message.replace(/^error: /, '').split('\n');
  return new UsageError(what, suggestion?.replace(/^\(|\)$/g, '') ?? 'Run it with --help.');
}
