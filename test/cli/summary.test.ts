import { expect } from 'chai';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { models } from '../../lib/index.js';
import { packageRoot } from '../../scripts/paths.js';
import { temporaryFolder } from '../support/digits.js';
import { jsonLine, striate } from '../support/striate.js';

describe('cli: summary', () => {
  const folder = temporaryFolder();

  it('prints the layers of a network of the zoo', async () => {
    const { code, stdout } = await striate(['summary', 'lenet']);
    expect(code).to.equal(0);
    expect(stdout)
      .to.match(/^conv1 +conv2d +24x24x20 .* 500 +520 /m)
      .and.match(/^total .* 431,080 /m);
  });

  it('counts VGG-16 as the notes do', async () => {
    const report = jsonLine(await striate(['summary', 'vgg16', '--json']));
    expect(report.parameters).to.equal(138_357_544);
    const layers = report.layers as { weights: number; values: number }[];
    expect(Math.max(...layers.map(({ weights }) => weights))).to.equal(102_760_448);
    expect(layers.reduce((sum, { values }) => sum + values, 0)).to.equal(15_237_608);
  });

  it('lists every network of the zoo in its help', async () => {
    const { stdout } = await striate(['summary', '--help']);
    for (const name of Object.keys(models.zoo)) expect(stdout).to.contain(name);
    const { stderr } = await striate(['summary', 'squeezenet1.2']);
    expect(stderr).to.match(/Did you mean squeezenet1\.[01]\?/);
  });

  it('takes an architecture, and points at the character that is wrong', async () => {
    const text = 'INPUT 8x8x3 -> [CONV 3x3 4 -> RELU]*2 -> POOL -> FC 10';
    const report = jsonLine(await striate(['summary', text, '--json']));
    expect((report.totals as { parameters: number }).parameters).to.equal(112 + 148 + 650);
    const { code, stderr } = await striate(['summary', 'INPUT 8x8x3 -> COVN 3x3 4 -> FC 10']);
    expect(code).to.equal(2);
    expect(stderr)
      .to.match(/'COVN' is no layer/)
      .and.match(/^ {17}\^/m)
      .and.match(/Did you mean CONV\?/);
  });

  it('takes a module with a Network, also of another copy of the package', async () => {
    const path = join(folder(), 'net.mjs');
    const index = pathToFileURL(join(packageRoot, 'dist', 'index.js')).href;
    writeFileSync(
      path,
      `import { sequential, dense } from '${index}?copy';
       export default { toJSON: () => sequential([4], [dense({ units: 3 })]).toJSON() };\n`,
    );
    const report = jsonLine(await striate(['summary', path, '--json']));
    expect(report.model).to.equal('net');
    expect((report.totals as { parameters: number }).parameters).to.equal(15);
  });
});
