import { expect } from 'chai';
import { models, sgd, softmaxCrossEntropy } from '../../lib/index.js';
import { jsonLine, striate } from '../support/striate.js';

describe('cli: plan', () => {
  it('prints what the library plans, and the largest batch', async () => {
    const expected = models.lenet().plan({
      batch: 64,
      optimizer: sgd({ momentum: 0.9 }),
      loss: softmaxCrossEntropy(),
    });
    const report = jsonLine(await striate(['plan', 'lenet', '--device-memory', '40MB', '--json']));
    expect(report).to.include({
      model: 'lenet',
      batch: 64,
      totalBytes: expected.totalBytes,
      memory: 40_000_000,
      fits: expected.totalBytes <= 40_000_000,
      largestBatch: expected.largestBatch('40MB'),
    });
    expect(report.categories).to.deep.equal(expected.categories);
    const changes = report.changes as { change: string; totalBytes: number }[];
    expect(changes.map(({ change }) => change)).to.have.members([
      ...['--optimizer sgd, without momentum', '--batch 32'],
    ]);
    for (const change of changes)
      expect(change.totalBytes).to.be.below(report.totalBytes as number);
  });

  it('shows purposes, layers, the peak and the verdict', async () => {
    const { code, stdout } = await striate([
      ...['plan', 'vgg16', '--batch', '64', '--optimizer', 'momentum', '--device-memory', '4GB'],
    ]);
    expect(code).to.equal(0);
    expect(stdout)
      .to.match(/^vgg16: training with a batch of 64 takes .* GiB \([\d,]+ bytes\)$/m)
      .and.match(/^parameters +the parameters +527\.8 MiB/m)
      .and.match(/^volumes +activations /m)
      .and.match(/^fc1 +/m)
      .and.match(/alive there:/)
      .and.match(/It does not fit into 3\.7 GiB: .* too much\. The largest batch that fits: \d+\./);
  });

  it('plans every optimizer, and micro-batches', async () => {
    const planOf = async (...more: string[]) => jsonLine(await striate(['plan', 'lenet', ...more]));
    const slots = async (name: string): Promise<number> => {
      const { categories } = await planOf('--optimizer', name, '--json');
      const { optimizer, gradients } = categories as { optimizer: number; gradients: number };
      // With the slots comes the table of the parameters' settings.
      return Math.round(optimizer / gradients);
    };
    const counts = { sgd: 0, lars: 1, adagrad: 1, adadelta: 2, adam: 2, adamw: 2, lamb: 2 };
    for (const [name, count] of Object.entries(counts))
      expect(await slots(name), name).to.equal(count);
    const options = { optimizer: sgd({ momentum: 0.9 }), loss: softmaxCrossEntropy() };
    const expected = models.lenet().plan({ batch: 64, microBatch: 16, ...options });
    const whole = models.lenet().plan({ batch: 64, ...options });
    expect(expected.totalBytes).to.be.below(whole.totalBytes);
    expect([expected.batch, expected.microBatch]).to.deep.equal([64, 16]);
    const parts = ['--micro-batch', '16', '--device-memory', '40MB'];
    const report = await planOf(...parts, '--json');
    expect(report).to.include({ batch: 64, microBatch: 16, totalBytes: expected.totalBytes });
    expect(report.largestBatch).to.equal(expected.largestBatch(40_000_000));
    const { stdout } = await striate(['plan', 'lenet', ...parts]);
    expect(stdout)
      .to.contain('a batch of 64, 16 images at once, takes')
      .and.contain('The largest micro-batch that fits')
      .and.contain('--micro-batch 8');
    const refused = await striate(['plan', 'lenet', '--optimizer', 'none', '--micro-batch', '2']);
    expect(refused.code).to.equal(2);
  });

  it('plans what is made again: a word, layers, a budget', async () => {
    const net = models.vgg16();
    const recipe = {
      batch: 8,
      optimizer: sgd({ momentum: 0.9 }),
      loss: softmaxCrossEntropy(),
    };
    const total = async (how: string): Promise<unknown> =>
      jsonLine(await striate(['plan', 'vgg16', '--batch', '8', '--recompute', how, '--json']))
        .totalBytes;
    for (const how of ['none', 'auto'] as const)
      expect(await total(how)).to.equal(net.plan({ ...recipe, recompute: how }).totalBytes);
    expect(await total('conv1,conv3')).to.equal(
      net.plan({ ...recipe, recompute: ['conv1', 'conv3'] }).totalBytes,
    );
    expect(await total('2.5GB')).to.be.at.most(2.5e9);
    const { code, stderr } = await striate(['plan', 'vgg16', '--recompute', '1GB']);
    expect(code).to.not.equal(0);
    expect(stderr).to.contain('is too small');
  });

  it('plans inference', async () => {
    const report = jsonLine(await striate(['plan', 'lenet', '--optimizer', 'none', '--json']));
    expect(report).to.include({ kind: 'infer' });
    expect(report).to.not.have.property('fits');
    expect((report.categories as { gradients: number }).gradients).to.equal(0);
  });

  it('says when not one image fits, and refuses what is no amount of memory', async () => {
    const { stdout } = await striate(['plan', 'vgg16', '--device-memory', '100MB']);
    expect(stdout).to.match(/Not even a batch of one image fits\./);
    const { code, stderr } = await striate(['plan', 'lenet', '--device-memory', 'much']);
    expect(code).to.equal(2);
    expect(stderr).to.contain('24GB');
  });
});
