import { expect } from 'chai';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { version } from '../../scripts/paths.js';
import { temporaryFolder } from '../support/digits.js';
import { jsonLine, striate } from '../support/striate.js';

const commands = ['train', 'evaluate', 'predict', 'summary', 'pack', 'devices', 'doctor', 'build'];

describe('cli: usage', () => {
  const folder = temporaryFolder();

  it('--help lists every command and ends with 0', async () => {
    const { code, stdout } = await striate(['--help']);
    expect(code).to.equal(0);
    for (const command of commands) expect(stdout).to.match(new RegExp(`^  ${command}\\b`, 'm'));
  });

  for (const command of commands) {
    it(`${command} --help describes its options and ends with 0`, async () => {
      const { code, stdout } = await striate([command, '--help']);
      expect(code).to.equal(0);
      expect(stdout).to.include(`Usage: striate ${command}`).and.include('--json');
    });
  }

  it('--version prints the version', async () => {
    expect((await striate(['--version'])).stdout).to.equal(`${version}\n`);
  });

  it('no command is wrong usage', async () => {
    const { code, stdout, stderr } = await striate([]);
    expect(code).to.equal(2);
    expect(stdout).to.equal('');
    expect(stderr).to.include('Usage: striate');
  });

  it('an unknown option names the nearest', async () => {
    const { code, stdout, stderr } = await striate([
      'train',
      'lenet',
      '--data',
      'mnist',
      '--epocs=3',
    ]);
    expect(code).to.equal(2);
    expect(stdout).to.equal('');
    expect(stderr).to.include("unknown option '--epocs=3'").and.include('Did you mean --epochs?');
  });

  it('an unknown option is named before a required one that is missing', async () => {
    const { code, stderr } = await striate(['train', 'lenet', '--epoch', '3']);
    expect(code).to.equal(2);
    expect(stderr).to.include("unknown option '--epoch'").and.include('Did you mean --epochs?');
    const missing = await striate(['train', 'lenet']);
    expect(missing.code).to.equal(2);
    expect(missing.stderr).to.include("required option '--data <name>' not specified");
  });

  it('an unknown command names the nearest', async () => {
    const { code, stderr } = await striate(['trian']);
    expect(code).to.equal(2);
    expect(stderr).to.include('Did you mean train?');
  });

  it('an unknown network names the nearest', async () => {
    const ended = await striate(['summary', 'lennet', '--json']);
    expect(ended.code).to.equal(2);
    expect(jsonLine(ended).error).to.deep.equal({
      code: 'INVALID_ARGUMENT',
      message: "there is no network 'lennet' in the zoo",
      remedy: 'Did you mean lenet?',
    });
  });

  for (const [option, value] of [
    ['--batch', '0'],
    ['--epochs', '1.5'],
    ['--lr', 'fast'],
    ['--momentum', ''],
    ['--optimizer', 'adamant'],
    ['--clip-norm', '0'],
    ['--micro-batch', '0'],
    ['--device', 'gpu'],
    ['--schedule', 'cosin'],
    ['--data', 'imagenet'],
  ] as const) {
    it(`${option} '${value}' is wrong usage that names the option, in one line of JSON`, async () => {
      const ended = await striate(['train', 'lenet', '--data', 'mnist', '--json', option, value]);
      expect(ended.code).to.equal(2);
      const error = jsonLine(ended).error as { code: string; message: string };
      expect(error.code).to.equal('INVALID_ARGUMENT');
      expect(error.message).to.include(option);
    });
  }

  it('a missing argument is wrong usage', async () => {
    const ended = await striate(['summary', '--json']);
    expect(ended.code).to.equal(2);
    expect((jsonLine(ended).error as { message: string }).message).to.include("'model'");
  });

  it('a module whose default export is no Network fails with a remedy', async () => {
    const path = join(folder(), 'no-network.mjs');
    writeFileSync(path, 'export default 1;\n');
    const ended = await striate(['summary', path, '--json']);
    expect(ended.code).to.equal(1);
    expect(jsonLine(ended).error).to.have.keys('code', 'message', 'remedy');
  });

  it('a module that does not load fails with its message', async () => {
    const path = join(folder(), 'broken.mjs');
    writeFileSync(path, 'export default nothing;\n');
    const ended = await striate(['summary', path, '--json']);
    expect(ended.code).to.equal(1);
    expect((jsonLine(ended).error as { message: string }).message).to.include(
      'nothing is not defined',
    );
  });
});
