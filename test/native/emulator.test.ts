// The emulator finds what it promises to find; the loader of cuBLASLt names what is wrong.
import { expect } from 'chai';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  buildLibrary,
  buildProgram,
  compiles,
  emulatorSources,
  output,
} from '../support/compile.js';
import { temporaryFolder } from '../support/digits.js';
import { skipGroup } from '../support/skip.js';
import { cublasLtIncludes, cublasLtLibrary } from './nvidia.js';

const folder = 'test/native/emulator';
const enableNvidia = 'package nvidia-cublas (pip install --no-deps nvidia-cublas)';

/** The lines that a program prints one a check, and what went wrong. */
async function checks(program: string): Promise<{ count: number; failures: string[] }> {
  const { code, stdout, stderr } = await output(program);
  const lines = stdout.split('\n');
  const failures = lines.filter((line) => line.startsWith('FAIL'));
  if (code !== 0 && failures.length === 0) failures.push(`ended with ${code}: ${stderr}`);
  return { count: lines.filter((line) => line.startsWith('ok')).length, failures };
}

describe('the CUDA emulator', function () {
  this.timeout(300_000);

  for (const { name, source, least } of [
    { name: 'finds every planted misuse', source: 'misuse.cu', least: 120 },
    { name: 'checks what cuBLASLt checks', source: 'cublaslt.cu', least: 86 },
  ]) {
    it(name, async () => {
      const program = await buildProgram([join(folder, source), ...emulatorSources()]);
      const { count, failures } = await checks(program);
      expect(failures.join('\n')).to.equal('');
      expect(count).to.be.at.least(least);
    });
  }

  describe('the loader of cuBLASLt', () => {
    const temporary = temporaryFolder();
    let loader = '';
    before(async () => {
      loader = await buildProgram([join(folder, 'loader.cpp'), ...emulatorSources()]);
    });
    const opening = async (path: string): Promise<string> =>
      (await output(loader, ['open', path])).stdout.trim();
    /** All functions of the table but one, and a version. */
    const planted = async (version: number, without?: string): Promise<string> => {
      const names = [
        ...['GetStatusString', 'Create', 'Destroy', 'MatmulDescCreate', 'MatmulDescDestroy'],
        ...['MatmulDescSetAttribute', 'MatrixLayoutCreate', 'MatrixLayoutDestroy'],
        ...['MatrixLayoutSetAttribute', 'MatmulPreferenceCreate', 'MatmulPreferenceDestroy'],
        ...['MatmulPreferenceSetAttribute', 'MatmulAlgoGetHeuristic', 'Matmul'],
      ];
      const path = join(temporary(), `libplanted-${version}-${without ?? 'all'}.so`);
      await buildLibrary(
        path,
        [
          `extern "C" unsigned long cublasLtGetVersion() { return ${version}; }`,
          ...names
            .filter((name) => name !== without)
            .map((name) => `extern "C" int cublasLt${name}() { return 1; }`),
        ].join('\n'),
      );
      return path;
    };

    it('opens a library that has all', async () => {
      expect(await opening(await planted(130201))).to.equal('opened 130201');
    });
    it('names a missing function', async () => {
      const reason = await opening(await planted(130201, 'MatmulAlgoGetHeuristic'));
      expect(reason).to.equal('has no function cublasLtMatmulAlgoGetHeuristic');
    });
    it('names another major version', async () => {
      for (const version of [120603, 140000])
        expect(await opening(await planted(version))).to.match(
          new RegExp(`is version ${Math.floor(version / 10000)}, this build needs 13`),
        );
    });
    it('names a file that is no library', async () => {
      const path = join(temporary(), 'libtext.so.13');
      writeFileSync(path, 'text');
      expect(await opening(path)).to.match(/libtext\.so\.13: .+/);
      expect(await opening(temporary())).to.match(/: .*(directory|read)/i);
    });
    it('names a file that is missing', async () => {
      expect(await opening(join(temporary(), 'none.so'))).to.match(/none\.so.*No such file/);
    });
    it('lists every place with its reason, and the remedy', async () => {
      const path = await planted(120603);
      const env = { ...process.env, STRIATE_CUBLASLT: path };
      const { code, stdout } = await output(loader, ['create'], env);
      expect(code).to.equal(0);
      expect(stdout).to.contain(`${path}: is version 12, this build needs 13`);
      expect(stdout).to.contain('pip install nvidia-cublas');
    });
    it('says why a handle cannot be had', async () => {
      const path = await planted(130201);
      const env = { ...process.env, STRIATE_CUBLASLT: path };
      const { code, stdout } = await output(loader, ['create'], env);
      expect(code).to.equal(0);
      expect(stdout).to.contain('cublasLtCreate failed').and.contain(path);
    });
  });

  describe("NVIDIA's cuBLASLt", () => {
    it('has the prototypes and values that Striate declares', async function () {
      const includes = cublasLtIncludes();
      if (includes === undefined) skipGroup(this, `${enableNvidia} and the CUDA toolkit's headers`);
      const flags = includes.map((path) => `-I${path}`);
      expect(await compiles(join(folder, 'cublaslt_header.cpp'), flags)).to.equal(undefined);
    });

    it('is opened and resolved; without a GPU a handle is refused in words', async function () {
      const library = cublasLtLibrary();
      if (library === undefined) skipGroup(this, enableNvidia);
      const loader = await buildProgram([join(folder, 'loader.cpp'), ...emulatorSources()]);
      expect((await output(loader, ['open', library])).stdout).to.match(/^opened 13\d{4}\n$/);
      const env = { ...process.env, STRIATE_CUBLASLT: library };
      const { code, stdout } = await output(loader, ['create'], env);
      expect(code).to.equal(0);
      // With a GPU the handle is made.
      expect(stdout).to.match(
        /^created, version 13|cublasLtCreate failed: .*no usable GPU or driver/,
      );
    });
  });
});
