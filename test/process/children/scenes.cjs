// One scene a process: `node scenes.cjs <scene>`. What it prints last is `done`.
'use strict';

const { once } = require('node:events');
const { join } = require('node:path');
const { Worker } = require('node:worker_threads');

const start = (workerData) => new Worker(join(__dirname, 'worker.cjs'), { workerData });

const scenes = {
  /** An open, idle device does not keep the process alive. */
  idle() {
    const { open, program } = require('./step.cjs');
    const device = open();
    program(device, 1000, 1);
    globalThis.kept = device;
    console.log('done');
  },
  /** After work it does not either, and pending work does. */
  async worked() {
    const { open, program } = require('./step.cjs');
    const device = open();
    globalThis.kept = device;
    await program(device, 1 << 20, 50).run();
    console.log('done');
  },
  exit() {
    const { longStep, open } = require('./step.cjs');
    longStep(open()).run();
    console.log('done');
    setTimeout(() => process.exit(7), 50);
  },
  throw() {
    const { longStep, open } = require('./step.cjs');
    longStep(open()).run();
    console.log('done');
    setTimeout(() => {
      throw new Error('on purpose');
    }, 50);
  },
  /** Two devices compute at the moment of the exit, another is being closed. */
  exitMany() {
    const { longStep, open } = require('./step.cjs');
    longStep(open()).run();
    longStep(open(1)).run();
    const third = open();
    longStep(third).run();
    third.close();
    console.log('done');
    setTimeout(() => process.exit(7), 50);
  },
  /** Loaded in two workers and here at once. */
  async workers() {
    const workers = [start({ mode: 'results', close: true }), start({ mode: 'results' })];
    const { open, program } = require('./step.cjs');
    const device = open();
    const here = program(device, 1000, 3).run();
    for (const worker of workers) worker.on('error', (error) => console.log(error));
    const ends = workers.map((worker) =>
      Promise.all([once(worker, 'message'), once(worker, 'exit')]),
    );
    await here;
    for (const [[message], [code]] of await Promise.all(ends))
      if (message !== 'right' || code !== 0) throw new Error(`${message} ${code}`);
    console.log('done');
  },
  async terminate() {
    for (let i = 0; i < 5; ++i) {
      const worker = start({ mode: 'hold' });
      await once(worker, 'message');
      const began = Date.now();
      await worker.terminate();
      if (Date.now() - began > 2000) throw new Error('terminate hangs');
    }
    console.log('done');
  },
  /** Before anything has run, while the addon is being loaded, and so on. */
  async terminateEarly() {
    for (let delay = 0; delay < 60; delay += 4) {
      const worker = start({ mode: 'hold' });
      await new Promise((resolve) => setTimeout(resolve, delay));
      await worker.terminate();
    }
    console.log('done');
  },
  async workerExits() {
    const worker = start({ mode: 'exit' });
    const [code] = await once(worker, 'exit');
    if (code === 3) console.log('done');
  },
  async workerThrows() {
    const worker = start({ mode: 'throw' });
    worker.on('error', () => undefined);
    const code = await new Promise((resolve) => worker.on('exit', resolve));
    if (code === 1) console.log('done');
  },
  async exitWithWorkers() {
    const workers = [start({ mode: 'hold' }), start({ mode: 'hold' })];
    await Promise.all(workers.map((worker) => once(worker, 'message')));
    console.log('done');
    process.exit(7);
  },
  /** The main thread goes on computing when a worker has gone. */
  async survive() {
    const { open, program } = require('./step.cjs');
    const worker = start({ mode: 'hold' });
    await once(worker, 'message');
    await worker.terminate();
    const device = open();
    await program(device, 1 << 16, 10).run();
    await device.close();
    console.log('done');
  },
  /** Garbage: devices, memory and programs that nobody closed. */
  async forget() {
    const { open, program } = require('./step.cjs');
    for (let i = 0; i < 30; ++i) {
      await program(open(), 1 << 18, 2).run();
      globalThis.gc();
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
    globalThis.gc();
    console.log('done');
  },
};

scenes[process.argv[2]]();
