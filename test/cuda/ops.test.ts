// Every op on the emulated CUDA device, over a spread of the case table.
import { opTests } from './cases.js';

describe('ops on cuda:emulated', function () {
  this.timeout(120_000);
  opTests(
    [
      { order: 'forward', timing: 'late' },
      { order: 'shuffled 7', timing: 'early' },
    ],
    (cases) => cases,
  );
});
