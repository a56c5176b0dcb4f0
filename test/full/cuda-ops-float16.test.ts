// Every op on the emulated card in float16; test/cuda/ops.test.ts has the other types.
import { opTests } from '../cuda/cases.js';
import { emulatedLibrary, fewSchedules } from '../cuda/emulated.js';

describe('ops on cuda:emulated in float16', function () {
  this.timeout(300_000);
  opTests(emulatedLibrary, fewSchedules, 'float16');
});
