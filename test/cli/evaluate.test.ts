import { expect } from 'chai';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  dense,
  flatten,
  load,
  meanSquaredError,
  data,
  sequential,
  sgd,
  softmaxCrossEntropy,
  svmHinge,
  type Loss,
  type TrainerOptions,
} from '../../lib/index.js';
import { temporaryFolder, writeDigits } from '../support/digits.js';
import { jsonLine, striate } from '../support/striate.js';

describe('cli: evaluate', () => {
  const folder = temporaryFolder();

  before(() => writeDigits(folder(), { train: 64, test: 100 }));

  const evaluate = (name: string, ...more: string[]) =>
    striate(['evaluate', name, '--data', 'mnist', '--data-dir', folder(), ...more], {
      cwd: folder(),
    });

  /** A network as it starts, saved. */
  async function saved(name: string, loss: TrainerOptions['loss']): Promise<string> {
    const network = sequential([28, 28, 1], [flatten(), dense({ units: 10 })]);
    await using trainer = await network.trainer({
      ...({ device: 'cpu', batch: 32, loss } as const),
      optimizer: sgd({ learningRate: 0.01 }),
    });
    await trainer.save(join(folder(), name));
    return name;
  }

  async function measured(name: string, loss?: Loss) {
    await using model = await load(join(folder(), name), {
      device: 'cpu',
      ...(loss === undefined ? {} : { loss }),
    });
    const { test } = await data.mnist({ dataDir: folder() });
    return await model.evaluate(test);
  }

  it('measures by the loss of the training, or by the one that is named', async () => {
    for (const [name, loss] of [
      ['softmax.safetensors', softmaxCrossEntropy({ labelSmoothing: 0.1 })],
      ['hinge.safetensors', svmHinge({ squared: true })],
    ] as const) {
      const path = await saved(name, loss);
      const report = jsonLine(await evaluate(path, '--json'));
      const expected = await measured(name);
      expect(report.loss).to.equal(loss.kind);
      expect(report.testLoss).to.be.closeTo(expected.loss, 1e-5 * expected.loss);
      expect(report).to.include({ testAccuracy: expected.accuracy, images: 100 });
      expect(report.top5).to.equal(expected.top5);
      expect(report).to.not.have.property('metrics');
    }
    const named = jsonLine(await evaluate('hinge.safetensors', '--loss', 'softmax', '--json'));
    const { loss } = await measured('hinge.safetensors', softmaxCrossEntropy());
    expect(named.testLoss).to.be.closeTo(loss, 1e-5 * loss);
    const { stdout } = await evaluate('hinge.safetensors');
    expect(stdout).to.match(/^test accuracy [\d.]+ % of 100 images, loss [\d.]+ \(svmHinge\)\n$/);
  });

  it('needs to be told the loss where the checkpoint has none', async () => {
    const path = await saved('external.safetensors', 'external');
    const refused = await evaluate(path, '--json');
    expect(refused.code).to.equal(1);
    const { error } = jsonLine(refused) as { error: { code: string; remedy: string } };
    expect(error.code).to.equal('INVALID_ARGUMENT');
    expect(error.remedy).to.contain('--loss');
    expect((await evaluate(path, '--loss', 'svm-hinge', '--json')).code).to.equal(0);
    // Labels are no numbers to come close to.
    const numbers = await evaluate(
      await saved('numbers.safetensors', meanSquaredError()),
      '--json',
    );
    expect(numbers.code).to.equal(1);
    expect((jsonLine(numbers).error as { code: string }).code).to.equal('INVALID_ARGUMENT');
  });

  it('measures by the functions of a module too', async () => {
    const path = await saved('metrics.safetensors', softmaxCrossEntropy());
    const module = `
      export const hits = ({ output, shape: [classes], target, n }) => {
        let sum = 0;
        for (let i = 0; i < n; i++) {
          const row = output.subarray(i * classes, (i + 1) * classes);
          sum += row.indexOf(Math.max(...row)) === target[i];
        }
        return { sum, count: n };
      };
      export const two = () => 2;
      export const version = 1;`;
    writeFileSync(join(folder(), 'metrics.mjs'), module);
    const report = jsonLine(await evaluate(path, '--metrics', 'metrics.mjs', '--json'));
    const { hits, ...rest } = report.metrics as { hits: number };
    expect(rest).to.deep.equal({ two: 2 });
    expect(hits).to.be.closeTo(report.testAccuracy as number, 1e-12);
    const { stdout } = await evaluate(path, '--metrics', './metrics.mjs');
    expect(stdout).to.contain('two 2.000');
    writeFileSync(join(folder(), 'none.mjs'), 'export const version = 1;');
    for (const wrong of ['none.mjs', 'missing.mjs']) {
      const ended = await evaluate(path, '--metrics', wrong, '--json');
      expect(ended.code).to.equal(2);
      expect((jsonLine(ended).error as { message: string }).message).to.contain(wrong);
    }
    writeFileSync(join(folder(), 'broken.mjs'), 'export const');
    expect((await evaluate(path, '--metrics', 'broken.mjs')).code).to.equal(1);
  });
});
