import { expect } from 'chai';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from '../support/digits.js';
import { jsonLine, striate } from '../support/striate.js';

describe('cli: lint', () => {
  it('prints findings with what to do, or that there are none', async () => {
    const { code, stdout } = await striate(['lint', 'lenet']);
    expect(code).to.equal(0);
    expect(stdout).to.match(/^advice {2}conv1: .* \(same-padding\)\n {8}Use padding 2x2/m);
    const clean = 'INPUT 32x32x3 -> [CONV 3x3 16 -> RELU -> POOL]*3 -> FC 10';
    expect((await striate(['lint', clean])).stdout).to.match(/^Nothing to advise/);
    const { findings } = jsonLine(await striate(['lint', 'vgg16', '--json']));
    expect((findings as { rule: string }[]).map(({ rule }) => rule)).to.include('heavy-dense');
  });
});

describe('cli: draw', () => {
  const folder = temporaryFolder();

  it('writes a picture, and says how large it is', async () => {
    const out = join(folder(), 'net.svg');
    const report = jsonLine(await striate(['draw', 'resnet20', '--out', out, '--json']));
    const written = readFileSync(out);
    expect(report).to.deep.equal({ model: 'resnet20', file: out, bytes: written.length });
    expect(written.toString()).to.match(/^<svg [^]*<\/svg>\n$/);
  });

  it('refuses a place that cannot be written and a style that is none', async () => {
    const taken = join(folder(), 'folder.svg');
    mkdirSync(taken);
    for (const out of [taken, join(folder(), 'missing', 'net.svg')]) {
      const ended = await striate(['draw', 'lenet', '--out', out, '--json']);
      expect(ended.code).to.equal(1);
      expect(jsonLine(ended).error).to.deep.include({ code: 'INVALID_ARGUMENT' });
    }
    expect((await striate(['draw', 'lenet', '--style', 'pie'])).code).to.equal(2);
    const branches = await striate(['draw', 'resnet20', '--style', 'volumes']);
    expect(branches.code).to.equal(1);
    expect(branches.stderr).to.match(/Use the style 'graph'/);
  });
});
