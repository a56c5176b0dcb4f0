// What happens to the process: whole processes and workers that end in the middle of a step.
import { expect } from 'chai';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { findAddon } from '../../lib/runtime/addon.js';

interface End {
  code: number | null;
  signal: NodeJS.Signals | null;
  output: string;
  errors: string;
  seconds: number;
}

function play(scene: string, limit = 20000): Promise<End> {
  const script = join(import.meta.dirname, 'children', 'scenes.cjs');
  const began = performance.now();
  const child = spawn(process.execPath, ['--expose-gc', script, scene], {
    env: { ...process.env, NODE_OPTIONS: '', STRIATE_ADDON: findAddon().path },
    timeout: limit,
    killSignal: 'SIGKILL',
  });
  let output = '';
  let errors = '';
  child.stdout.on('data', (text) => (output += String(text)));
  child.stderr.on('data', (text) => (errors += String(text)));
  return new Promise((resolve) => {
    child.on('close', (code, signal) => {
      resolve({ code, signal, output, errors, seconds: (performance.now() - began) / 1000 });
    });
  });
}

describe('the process', function () {
  this.timeout(60000);

  const scenes: [name: string, scene: string, code: number][] = [
    ['ends while a device is open and idle', 'idle', 0],
    ['waits for pending work, then ends with the device open', 'worked', 0],
    ['exits in the middle of a step', 'exit', 7],
    ['exits while several devices compute and close', 'exitMany', 7],
    ['ends by an uncaught error in the middle of a step', 'throw', 1],
    ['loads the addon in two workers at once', 'workers', 0],
    ['lives on when a worker is terminated in the middle of a step', 'terminate', 0],
    ['lives on when a worker is terminated at any moment', 'terminateEarly', 0],
    ['lives on when a worker exits in the middle of a step', 'workerExits', 0],
    ['lives on when a worker throws in the middle of a step', 'workerThrows', 0],
    ['exits while workers compute', 'exitWithWorkers', 7],
    ['computes after a worker has gone', 'survive', 0],
    ['collects devices that nobody closed', 'forget', 0],
  ];
  for (const [name, scene, code] of scenes) {
    it(name, async () => {
      const end = await play(scene);
      const told = `${end.output}\n${end.errors}`;
      expect(end.signal, told).to.equal(null);
      expect(end.code, told).to.equal(code);
      expect(end.output).to.match(/done\n$/);
      if (code === 7 || scene === 'idle') expect(end.seconds).to.be.below(10);
    });
  }
});
