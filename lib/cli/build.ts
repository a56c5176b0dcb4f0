import type { Command } from 'commander';
import { addCommand, outputFor, type CommonOptions } from './command.js';

interface BuildCommandOptions extends CommonOptions {
  force?: true;
  cuda?: true;
  arch?: string;
}

export function addBuild(program: Command): void {
  addCommand(program, 'build', 'build the native addon (needs a C++ compiler, make and CMake)')
    .option('--force', 'build even when a current addon is there')
    .option('--cuda', 'build the library of the CUDA device (needs a CUDA toolkit, but no GPU)')
    .option(
      '--arch <list>',
      'with --cuda: architectures, as 80,90; default: that of the GPU, else 80',
    )
    .addHelpText(
      'after',
      '\nThe addon goes into the package, or, when that is not writable, into the user’s cache folder.',
    )
    .action(async (options: BuildCommandOptions) => {
      if (options.cuda === true) return buildCudaLibrary(options);
      // The build is plain JavaScript: it also runs before anything is compiled.
      const { build } = await import('../../scripts/build.js');
      const { path, built, seconds } = await build({ force: options.force === true });
      outputFor(options).result(
        { path, built, seconds },
        built ? `built in ${seconds.toFixed(0)} s: ${path}` : `up to date: ${path}`,
      );
    });
}

async function buildCudaLibrary(options: BuildCommandOptions): Promise<void> {
  const { buildCuda } = await import('../../scripts/build-cuda.js');
  const { arch, force = false } = options;
  const result = await buildCuda({ force, ...(arch === undefined ? {} : { arch }) });
  outputFor(options).result(result, `${result.built ? 'built' : 'up to date'}: ${result.path}`);
}
