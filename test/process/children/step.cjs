// A device of its own with a step that takes a while: thousands of passes over a few megabytes.
'use strict';

const addon = require(process.env.STRIATE_ADDON);

const control = { step: 0, sampleOffset: 0, seed: 0, learningRate: 0, lossScale: 1 };

function open(threads = 2) {
  return addon.createDevice({ kind: 'cpu', threads, instructionSet: 'best', memoryLimit: 0 });
}

/** y = relu(x) of `elements` numbers, `repeat` times. */
function program(device, elements, repeat) {
  const op = addon.describeOps().findIndex(({ name }) => name === 'relu');
  const regions = [device.allocate(elements * 4, 'arena'), device.allocate(elements * 4, 'arena')];
  const operand = (region, access) => ({
    ...{ region, byteOffset: 0, dtype: 0, access },
    ...{ size: [1, elements], batched: true, pitch: elements },
  });
  const instruction = {
    op,
    attributes: new Uint8Array(addon.describeOps()[op].attributesSize),
    operands: [operand(0, 1), operand(1, 2)],
    label: 'relu',
  };
  const executable = device.createExecutable({
    ...{ batch: 1, regions, inputRegion: -1, slots: null },
    instructions: Array(repeat).fill(instruction),
    inputs: [],
    outputs: [{ region: 1, byteOffset: 0, fixed: elements * 4, perImage: 0 }],
  });
  const run = (outputs = []) =>
    executable.run({
      ...{ n: 1, slot: 0, begin: 0, end: repeat, control, outputs, timing: false },
    });
  return { executable, regions, run };
}

/** Seconds of work. */
function longStep(device) {
  return program(device, 1 << 22, 5000);
}

module.exports = { addon, open, program, longStep };
