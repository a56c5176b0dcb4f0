// Every op on CUDA devices: the case table of the CPU device, with its bounds.
import { cudaState } from '../../lib/runtime/cuda.js';
import { skipGroup } from '../support/skip.js';
import { opTests } from './cases.js';
import { emulatedLibrary, fewSchedules, schedules } from './emulated.js';

describe('ops on cuda:emulated', function () {
  this.timeout(300_000);
  opTests(emulatedLibrary, schedules);
});

// float16 is the same kernels with another conversion: test/full/cuda-ops-float16.test.ts.
describe('ops on cuda:emulated in bfloat16', function () {
  this.timeout(300_000);
  opTests(emulatedLibrary, fewSchedules, 'bfloat16');
});

for (const precision of ['float32', 'bfloat16', 'float16'] as const)
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
