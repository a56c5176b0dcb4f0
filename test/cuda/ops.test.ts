// Every op on CUDA devices: the case table of the CPU device, with its bounds.
import { cudaState } from '../../lib/runtime/cuda.js';
import { skipGroup } from '../support/skip.js';
import { opTests } from './cases.js';
import { emulatedLibrary, schedules } from './emulated.js';

describe('ops on cuda:emulated', function () {
  this.timeout(300_000);
  opTests(emulatedLibrary, schedules);
});

describe('ops on cuda', function () {
  this.timeout(300_000);
  opTests((context) => {
    const { available, library } = cudaState();
    if (!available || library === undefined) skipGroup(context, 'an NVIDIA GPU with its driver');
    return library;
  }, []);
});
