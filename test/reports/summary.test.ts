import { expect } from 'chai';
import {
  add,
  architecture,
  concat,
  conv2d,
  dense,
  globalAvgPool2d,
  input,
  maxPool2d,
  network,
  relu,
  sequential,
} from '../../lib/index.js';

/** Configuration D of Simonyan and Zisserman (arXiv:1409.1556), in the notation of the notes. */
const vgg16 = architecture(
  'INPUT 224x224x3 -> [CONV 64 -> RELU]*2 -> POOL -> [CONV 128 -> RELU]*2 -> POOL -> ' +
    '[CONV 256 -> RELU]*3 -> POOL -> [[CONV 512 -> RELU]*3 -> POOL]*2 -> [FC 4096 -> RELU]*2 -> FC 1000',
);

describe('summary', () => {
  it('has every line of the VGG table of the notes, to the digit', () => {
    const { rows, totals } = vgg16.summary();
    const lines = rows
      .filter(({ kind }) => kind !== 'relu')
      .map(({ output, values, weights }) => [output.join('x'), values, weights]);
    // [volume, memory, weights]: the products that stand in the notes.
    expect(lines).to.deep.equal([
      ['224x224x3', 224 * 224 * 3, 0],
      ['224x224x64', 224 * 224 * 64, 1_728],
      ['224x224x64', 224 * 224 * 64, 36_864],
      ['112x112x64', 112 * 112 * 64, 0],
      ['112x112x128', 112 * 112 * 128, 73_728],
      ['112x112x128', 112 * 112 * 128, 147_456],
      ['56x56x128', 56 * 56 * 128, 0],
      ['56x56x256', 56 * 56 * 256, 294_912],
      ['56x56x256', 56 * 56 * 256, 589_824],
      ['56x56x256', 56 * 56 * 256, 589_824],
      ['28x28x256', 28 * 28 * 256, 0],
      ['28x28x512', 28 * 28 * 512, 1_179_648],
      ['28x28x512', 28 * 28 * 512, 2_359_296],
      ['28x28x512', 28 * 28 * 512, 2_359_296],
      ['14x14x512', 14 * 14 * 512, 0],
      ['14x14x512', 14 * 14 * 512, 2_359_296],
      ['14x14x512', 14 * 14 * 512, 2_359_296],
      ['14x14x512', 14 * 14 * 512, 2_359_296],
      ['7x7x512', 7 * 7 * 512, 0],
      ['4096', 4096, 102_760_448],
      ['4096', 4096, 16_777_216],
      ['1000', 1000, 4_096_000],
    ]);
    expect(totals).to.include({ parameters: 138_357_544, values: 15_237_608 });
    expect((totals.bytesPerImage / 2 ** 20).toFixed(1)).to.equal('58.1');
    // 15.5 G multiply-adds (https://github.com/albanie/convnet-burden: VGG-VD-16, 16 GFLOPs of those).
    expect(totals.flops / 1e9).to.be.closeTo(30.96, 0.02);
  });

  it('follows the receptive field', () => {
    const fields = vgg16.summary().rows.filter(({ kind }) => /conv|pool|dense/i.test(kind));
    const sizes = fields.map(({ receptiveField }) => receptiveField!.size[0]);
    // Araujo, Norris and Sim, "Computing Receptive Fields of Convolutional Neural Networks"
    // (Distill 2019): 212 for VGG-16 before its dense layers.
    expect(sizes).to.deep.equal([
      ...[3, 5, 6, 10, 14, 16, 24, 32, 40, 44, 60, 76, 92, 100, 132, 164, 196, 212],
      ...[404, 404, 404],
    ]);
    expect(fields[17]!.receptiveField).to.deep.include({ stride: [32, 32], offset: [15.5, 15.5] });
    expect(fields[18]!.receptiveField!.stride).to.deep.equal([0, 0]);
  });

  it('the field of three 3x3 layers is that of one 7x7 layer', () => {
    const fieldOf = (text: string): unknown =>
      architecture(text).summary().rows.at(-1)!.receptiveField;
    expect(fieldOf('INPUT 21x21x4 -> [CONV 3x3 4]*3')).to.deep.equal(
      fieldOf('INPUT 21x21x4 -> CONV 7x7 4'),
    );
    expect(fieldOf('INPUT 21x30x4 -> CONV 3x5 4 dilation 2x3 valid')).to.deep.equal({
      size: [5, 13],
      stride: [1, 1],
      offset: [2, 6],
    });
  });

  it('joins the fields of branches, and is silent where they disagree', () => {
    const x = input([16, 16, 4]);
    const wide = conv2d({ filters: 4, size: 5, padding: 2 })(x);
    const narrow = conv2d({ filters: 4, size: 1 })(x);
    const joined = network(x, add(wide, relu()(narrow))).summary();
    expect(joined.rows.at(-1)!.receptiveField).to.deep.include({ size: [5, 5], stride: [1, 1] });
    const coarse = maxPool2d({ size: 2 })(x);
    const fine = conv2d({ filters: 4, size: 9, padding: 0 })(x);
    const odd = network(x, concat(coarse, fine)).summary();
    expect(odd.rows.at(-1)!).not.to.have.property('receptiveField');
    const whole = sequential(
      [16, 16, 4],
      [conv2d({ filters: 4, size: 3, padding: 1 }), globalAvgPool2d(), dense({ units: 2 })],
    );
    expect(whole.summary().rows.at(-1)!.receptiveField).to.deep.equal({
      size: [18, 18],
      stride: [0, 0],
      offset: [7.5, 7.5],
    });
  });

  it('counts additions and multiplications', () => {
    const flopsOf = (text: string): number[] =>
      architecture(text)
        .summary()
        .rows.map(({ flops }) => flops);
    expect(
      flopsOf('INPUT 8x8x4 -> CONV 3x3 6 groups 2 nobias -> RELU -> POOL -> DROPOUT -> FC 10'),
    ).to.deep.equal([0, 8 * 8 * 6 * 2 * 9 * 2, 8 * 8 * 6, 4 * 4 * 6 * 4, 0, 10 * (2 * 96 + 1)]);
  });
});
