// The emulator's own tests under AddressSanitizer and UndefinedBehaviourSanitizer.
import { expect } from 'chai';
import { join } from 'node:path';
import { buildProgram, emulatorSources, output } from '../support/compile.js';

describe('the CUDA emulator under sanitizers', function () {
  this.timeout(600_000);
  for (const source of ['misuse.cu', 'cublaslt.cu']) {
    it(source, async () => {
      const flags = ['-g', '-fsanitize=address,undefined', '-fno-sanitize-recover=undefined'];
      const sources = [join('test/native/emulator', source), ...emulatorSources()];
      const { code, stdout, stderr } = await output(await buildProgram(sources, flags));
      const failures = stdout.split('\n').filter((line) => line.startsWith('FAIL'));
      expect(failures.join('\n') + stderr).to.equal('');
      expect(code).to.equal(0);
    });
  }
});
