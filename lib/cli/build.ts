import type { Command } from 'commander';
import { addCommand, outputFor, type CommonOptions } from './command.js';

interface BuildCommandOptions extends CommonOptions {
  force?: true;
}

export function addBuild(program: Command): void {
  addCommand(program, 'build', 'build the native addon (needs a C++ compiler, make and CMake)')
    .option('--force', 'build even when a current addon is there')
    .addHelpText(
      'after',
      '\nThe addon goes into the package, or, when that is not writable, into the user’s cache folder.',
    )
    .action(async (options: BuildCommandOptions) => {
      // The build is plain JavaScript: it also runs before anything is compiled.
      const { build } = await import('../../scripts/build.js');
      const { path, built, seconds } = await build({ force: options.force === true });
      outputFor(options).result(
        { path, built, seconds },
        built ? `built in ${seconds.toFixed(0)} s: ${path}` : `up to date: ${path}`,
      );
    });
}
