import { expect } from 'chai';
import {
  architecture,
  conv2d,
  input,
  lint,
  network,
  printFindings,
  relu,
} from '../../lib/index.js';

const findings = (text: string): string[] =>
  lint(architecture(text)).map(({ rule, layer }) => `${rule} ${layer}`);
const messageOf = (text: string, rule: string): string => {
  const found = lint(architecture(text)).find((finding) => finding.rule === rule);
  return `${found?.message} / ${found?.suggestion}`;
};

describe('lint: the sizing rules of the notes', () => {
  it('has nothing to say of the pattern that the notes recommend', () => {
    const text = 'INPUT 32x32x3 -> [CONV 3x3 16 -> RELU -> POOL]*3 -> [FC 64 -> RELU]*2 -> FC 10';
    expect(findings(text)).to.deep.equal([]);
    expect(printFindings([])).to.match(/follows the sizing rules/);
  });

  it('input-size: halved as often as the network does', () => {
    const text = 'INPUT 20x24x3 -> [CONV 3x3 16 -> RELU -> POOL fit pad]*3 -> FC 10';
    expect(findings(text)).to.include('input-size input1');
    expect(messageOf(text, 'input-size')).to.match(/halved 2 times, .* 8 times smaller.* 16 or 24/);
    expect(findings('INPUT 24x24x3 -> [CONV 3x3 16 -> RELU -> POOL]*3 -> FC 10')).to.deep.equal([]);
  });

  it('input-size: nothing where all windows fit', () => {
    const text = 'INPUT 27x27x3 -> CONV 3x3 16 -> RELU -> [POOL 3x3 stride 2]*2 -> FC 10';
    expect(findings(text)).to.deep.equal([]);
    const x = input([27, 27, 3]);
    const same = conv2d({ filters: 8, size: 3, stride: 2, padding: 'same' })(x);
    expect(lint(network(x, same)).map(({ rule }) => rule)).to.deep.equal(['input-size']);
  });

  it('loose-windows: what becomes of the rest', () => {
    const effect = (text: string): string | undefined =>
      /: ([^:]*) \/ /.exec(
        messageOf(`INPUT 20x20x3 -> ${text} -> RELU -> FC 10`, 'loose-windows'),
      )?.[1];
    expect(effect('CONV 3x3 8 stride 2 pad 1 fit crop')).to.equal(
      '1 padded row at the end lies in none',
    );
    expect(effect('CONV 5x5 8 stride 4 valid fit crop')).to.equal('3 rows at the end lie in none');
    expect(effect('POOL 3x3 stride 2 fit pad')).to.equal(
      'the last ones hang 1 row over the border',
    );
    // What the stride skips is another rule's.
    expect(effect('CONV 1x1 8 stride 2 fit crop')).to.equal(undefined);
    expect(
      findings('INPUT 20x20x3 -> CONV 2x2 8 stride 5 valid fit crop -> RELU -> FC 10'),
    ).to.deep.equal([]);
  });

  it('large-filter: one 7x7 against three 3x3, 49C^2 against 27C^2', () => {
    const text = 'INPUT 32x32x3 -> CONV 3x3 16 -> RELU -> CONV 7x7 16 -> RELU -> FC 10';
    expect(findings(text)).to.deep.equal(['large-filter conv2']);
    expect(messageOf(text, 'large-filter')).to.match(/49C\^2 .* 3 3x3 layers.* 27C\^2/);
    expect(messageOf(text, 'large-filter')).to.match(/1\.8 times fewer/);
    expect(findings('INPUT 32x32x3 -> CONV 7x7 16 -> RELU -> FC 10')).to.deep.equal([]);
    expect(findings('INPUT 32x32x3 -> CONV 9x9 16 -> RELU -> FC 10')).to.deep.equal([
      'large-filter conv1',
    ]);
    // A dense layer in the form of a convolution is no large filter.
    expect(findings('INPUT 8x8x3 -> CONV 3x3 4 -> RELU -> CONV 8x8 10 valid')).to.deep.equal([]);
  });

  it('same-padding, with the padding that would keep the size', () => {
    const text = 'INPUT 32x32x3 -> CONV 5x5 16 valid -> RELU -> FC 10';
    expect(findings(text)).to.deep.equal(['same-padding conv1']);
    expect(messageOf(text, 'same-padding')).to.match(/32x32x3 to 28x28.* padding 2x2/);
  });

  it('conv-stride: not beyond the first layer, and never so that pixels are skipped', () => {
    expect(findings('INPUT 32x32x3 -> CONV 3x3 16 stride 2 -> RELU -> FC 10')).to.deep.equal([]);
    const text = 'INPUT 32x32x3 -> CONV 3x3 8 -> RELU -> CONV 1x1 16 stride 2 -> RELU -> FC 10';
    expect(findings(text)).to.deep.equal(['conv-stride conv2']);
    expect(messageOf(text, 'conv-stride')).to.match(/never read 75 % of their input/);
  });

  it('destructive-pooling: windows above 3, or with gaps', () => {
    const pool = (words: string): string =>
      `INPUT 32x32x3 -> CONV 3x3 8 -> RELU -> POOL ${words} -> FC 10`;
    expect(findings(pool('3x3 stride 2 fit crop'))).to.deep.equal(['loose-windows pool1']);
    expect(findings(pool('4x4'))).to.deep.equal(['destructive-pooling pool1']);
    expect(messageOf(pool('4x4'), 'destructive-pooling')).to.match(/keeps 6.3 % of the values/);
    expect(lint(architecture(pool('1x1 stride 2 fit crop')))[0]).to.include({ level: 'warning' });
    expect(findings(pool('avg global'))).to.deep.equal([]);
  });

  it('heavy-first-layers: the 72 MB of the notes, which are 73.5 MiB', () => {
    const text =
      'INPUT 224x224x3 -> [CONV 3x3 64 -> RELU]*3 -> POOL -> CONV 3x3 64 -> RELU -> POOL avg global -> FC 10';
    expect(findings(text)).to.deep.equal(['heavy-first-layers conv1']);
    expect(messageOf(text, 'heavy-first-layers')).to.match(/^3 volumes .* take 73\.5 MiB/);
  });

  it('heavy-dense and linear-stack', () => {
    const heavy = 'INPUT 64x64x16 -> CONV 3x3 16 -> RELU -> FC 100 -> RELU -> FC 10';
    expect(findings(heavy)).to.deep.equal(['heavy-dense fc1']);
    const linear = 'INPUT 8x8x4 -> CONV 3x3 4 -> BN -> POOL avg -> CONV 3x3 4 -> RELU -> FC 10';
    expect(findings(linear)).to.deep.equal(['linear-stack conv2']);
    expect(printFindings(lint(architecture(linear)))).to.match(
      /^warning {2}conv2: no nonlinearity stands between conv1 and conv2/,
    );
  });

  it('linear-stack: every activation is a nonlinearity', () => {
    const words =
      'RELU6 LEAKYRELU PRELU ELU SIGMOID TANH SOFTPLUS SILU GELU HARDSWISH HARDSIGMOID MAXOUT';
    for (const word of ['RELU', ...words.split(' ')])
      expect(findings(`INPUT 8x8x4 -> [CONV 3x3 4 -> ${word}]*2 -> FC 10`), word).to.deep.equal([]);
  });

  it('takes branches', () => {
    const x = input([16, 16, 3]);
    const a = relu()(conv2d({ filters: 8, size: 3, padding: 1 })(x));
    const b = conv2d({ filters: 8, size: 3, padding: 1 })(x);
    expect(lint(network(x, [a, b]))).to.deep.equal([]);
  });
});
