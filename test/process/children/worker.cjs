// A worker that does as `workerData.mode` says.
'use strict';

const { parentPort, workerData } = require('node:worker_threads');
const { longStep, open, program } = require('./step.cjs');

async function results() {
  const device = open(2);
  const { run, regions } = program(device, 1000, 3);
  for (let i = 0; i < 200; ++i) {
    await regions[0].write(0, new Float32Array(1000).fill(i));
    const { outputs } = await run([0]);
    if (new Float32Array(outputs[0])[999] !== i) throw new Error('wrong result');
  }
  if (workerData.close) await device.close();
  parentPort.postMessage('right');
}

const modes = {
  results,
  hold() {
    longStep(open()).run();
    parentPort.postMessage('started');
  },
  exit() {
    longStep(open()).run();
    setTimeout(() => process.exit(3), 20);
  },
  throw() {
    longStep(open()).run();
    setTimeout(() => {
      throw new Error('on purpose');
    }, 20);
  },
};

modes[workerData.mode]();
