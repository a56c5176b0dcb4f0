// Every op on CUDA devices: the case table of the CPU device, with its bounds.
import { cudaState } from '../../lib/runtime/cuda.js';
import { skipGroup } from '../support/skip.js';
import { opTests } from './cases.js';
import { emulatedLibrary, schedules, type Schedule } from './emulated.js';

describe('ops on cuda:emulated', function () {
  this.timeout(300_000);
  opTests(emulatedLibrary, schedules);
});

const halves = ['bfloat16', 'float16'] as const;
const fewSchedules: readonly Schedule[] = [
  { order: 'forward', timing: 'late' },
  { order: 'reverse', timing: 'early' },
  { order: 'shuffled 7', timing: 'late' },
];

for (const precision of halves)
  describe(`ops on cuda:emulated in ${precision}`, function () {
    this.timeout(300_000);
    opTests(emulatedLibrary, fewSchedules, precision);
  });

for (const precision of ['float32', ...halves] as const)
  describe(`ops on cuda in ${precision}`, function () {
    this.timeout(300_000);
    opTests(
      (context) => {
        const { available, library } = cudaState();
        if (!available || library === undefined)
          skipGroup(context, 'an NVIDIA GPU with its driver');
        return library;
      },
      [],
      precision,
    );
  });
