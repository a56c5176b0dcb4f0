import { expect } from 'chai';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { packageRoot } from '../../scripts/paths.js';
import { start } from '../support/striate.js';

const index = pathToFileURL(join(packageRoot, 'dist', 'index.js')).href;

/** Imports the package in a process of its own and prints what that loaded. */
const script = `
  import { createRequire } from 'node:module';
  const api = await import(${JSON.stringify(index)});
  const files = Object.keys(createRequire(import.meta.url).cache);
  const natives = process.report.getReport().sharedObjects.filter((path) => path.endsWith('.node'));
  console.log(JSON.stringify({ names: Object.keys(api), files, natives }));`;

describe('package: import', () => {
  it('loads no addon, no dependency and no image library', async () => {
    const args = ['--input-type=module', '-e', script];
    const { code, stdout, stderr } = await start(process.execPath, args, {}).ended;
    expect(code, stderr).to.equal(0);
    const { names, files, natives } = JSON.parse(stdout) as Record<string, string[]>;
    expect(names).to.include.members(['sequential', 'conv2d', 'device', 'load', 'data', 'models']);
    expect(natives).to.deep.equal([]);
    // CommonJS modules: all dependencies are; the package itself is not.
    expect(files).to.deep.equal([]);
  });

  it('imports without the addon, and says so when a device is opened', async () => {
    const args = [
      '--input-type=module',
      '-e',
      `const { device } = await import(${JSON.stringify(index)});
       await device('cpu').catch((e) => console.log(JSON.stringify(e)));`,
    ];
    const env = { ...process.env, STRIATE_ADDON: join(packageRoot, 'none.node') };
    const { stdout, stderr } = await start(process.execPath, args, { env }).ended;
    expect(stderr).to.equal('');
    const error = JSON.parse(stdout) as { code: string; message: string; remedy: string };
    expect(error.code).to.equal('NATIVE_ADDON_MISSING');
    expect(error.message).to.include('none.node');
    expect(error.remedy).to.include('npx striate build');
  });

  it('is had by require', async () => {
    const args = ['-p', `Object.keys(require(${JSON.stringify(join(packageRoot, 'dist'))}))`];
    const { code, stdout, stderr } = await start(process.execPath, args, {}).ended;
    expect(code, stderr).to.equal(0);
    expect(stdout).to.include("'sequential'");
  });
});
