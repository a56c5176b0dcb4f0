/**
 * npm's install script. In a clone a failing build fails `npm ci`; in an installed package it leaves a
 * note, because the package imports without its addon and `npx striate build` mends it later.
 */
import { existsSync } from 'node:fs';
import { BuildError, build, isCurrent } from './build.js';
import { addonCandidates, isClone } from './paths.js';

function say(line) {
  process.stderr.write(`striate: ${line}\n`);
}

async function install() {
  if (process.env.STRIATE_SKIP_BUILD) {
    say('STRIATE_SKIP_BUILD is set: the native addon is not built');
    return;
  }
  const current = addonCandidates().find(({ path }) => path !== undefined && isCurrent(path));
  if (current) {
    say(`the native addon is up to date: ${current.path}`);
    return;
  }
  try {
    await build();
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
    say(error.message);
    if (isClone) {
      say(error.remedy);
      process.exitCode = 1;
    } else {
      say('the package is installed without its native addon. To build it: npx striate build');
    }
  }
}

/** Where there is both a compiler for CUDA and a driver; a failure costs no more than that device. */
async function installCuda() {
  if (process.env.STRIATE_SKIP_BUILD || !existsSync('/proc/driver/nvidia/version')) return;
  const { buildCuda, findNvcc } = await import('./build-cuda.js');
  if (findNvcc() === undefined) return;
  try {
    await buildCuda();
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
    say(`${error.message}; the CPU device is not affected. ${error.remedy}`);
  }
}

await install();
if (!process.exitCode) await installCuda();
