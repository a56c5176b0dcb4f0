import { expect } from 'chai';
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { addon, findAddon } from '../../lib/runtime/addon.js';

/** What loading the addon does in a fresh process with this environment. */
function load(environment: Record<string, string>): {
  code?: string;
  message?: string;
  remedy?: string;
} {
  const script = `
    const { addon } = await import('./lib/runtime/addon.ts');
    try { addon(); console.log('{}'); } catch (error) { console.log(JSON.stringify(error)); }`;
  const output = execFileSync(
    process.execPath,
    ['--import=tsx', '--input-type=module', '-e', script],
    { env: { ...process.env, ...environment }, encoding: 'utf8' },
  );
  return JSON.parse(output) as ReturnType<typeof load>;
}

describe('the look-up of the addon', function () {
  this.timeout(30000);
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'striate-'));
  });
  after(() => rmSync(folder, { recursive: true }));

  it('finds it, and says where', () => {
    expect(addon().describeOps()).to.be.an('array').and.not.empty;
    const { path, from } = findAddon();
    expect(path).to.match(/striate\.node$/);
    expect(from).to.be.a('string');
  });

  it('names a missing file with its reason and the remedy', () => {
    const error = load({ STRIATE_ADDON: join(folder, 'none.node') });
    expect(error.code).to.equal('NATIVE_ADDON_MISSING');
    expect(error.message).to.match(/STRIATE_ADDON \(.*none\.node\): no such file/);
    expect(error.remedy).to.include('npx striate build');
  });

  it('refuses what is no addon, without a crash', () => {
    const text = join(folder, 'text.node');
    writeFileSync(text, 'this is not a library');
    expect(load({ STRIATE_ADDON: text })).to.include({ code: 'NATIVE_ADDON_MISSING' });
    const cut = join(folder, 'cut.node');
    copyFileSync(findAddon().path!, cut);
    writeFileSync(cut, Buffer.alloc(64), { flag: 'r+' });
    expect(load({ STRIATE_ADDON: cut })).to.include({ code: 'NATIVE_ADDON_MISSING' });
    const other = join(folder, 'other.json');
    writeFileSync(other, '{}');
    expect(load({ STRIATE_ADDON: other }).message).to.include('is not the addon of striate');
  });

  it('refuses an addon of another version or other sources', () => {
    const fake = join(folder, 'fake.cjs');
    const { version } = JSON.parse(execFileSync('cat', ['package.json'], { encoding: 'utf8' })) as {
      version: string;
    };
    for (const [named, hash, message] of [
      ['0.0.0', '', /is of version 0\.0\.0/],
      [version, 'feed', /built from other sources: feed/],
    ] as const) {
      writeFileSync(
        fake,
        `module.exports = { version: '${named}', sourceHash: '${hash}', createDevice() {} };`,
      );
      const error = load({ STRIATE_ADDON: fake });
      expect(error.code).to.equal('NATIVE_ADDON_MISMATCH');
      expect(error.message).to.match(message);
    }
  });

  it('is not loaded by importing', () => {
    const script = `
      await import('./lib/runtime/device.ts');
      console.log(process.report.getReport().sharedObjects.filter((f) => f.includes('striate.node')).length);`;
    const output = execFileSync(process.execPath, [
      '--import=tsx',
      '--input-type=module',
      '-e',
      script,
    ]);
    expect(output.toString().trim()).to.equal('0');
  });
});
