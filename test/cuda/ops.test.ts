// Every op on the emulated CUDA device: the case table of the CPU device, with its bounds.
import { opTests } from './cases.js';
import { schedules } from './emulated.js';

/** The sanitizers' run takes this many cases of every op, spread over its table. */
const most = Number(process.env.STRIATE_TEST_CASES ?? Infinity);

describe('ops on cuda:emulated', function () {
  this.timeout(300_000);
  opTests(schedules, (cases) =>
    most >= cases.length
      ? cases
      : Array.from({ length: most }, (_, i) => cases[Math.floor((i * cases.length) / most)]!),
  );
});
