import { expect } from 'chai';
import {
  placeWindows,
  toSides,
  type Fit,
  type Padding,
  type Sides,
} from '../../lib/graph/shape.js';
import { thrown } from '../support/thrown.js';

interface Case {
  size: number;
  stride: number;
  padding?: Padding;
  dilation?: number;
  fit?: Fit;
}

function place(input: number, { size, stride, padding = 0, dilation = 1, fit = 'exact' }: Case) {
  return placeWindows(
    input,
    input,
    {
      size: [size, size],
      stride: [stride, stride],
      padding: toSides(padding),
      dilation: [dilation, dilation],
    },
    fit,
  );
}

describe('output size', () => {
  it("follows the notes' examples of (W - F + 2P)/S + 1", () => {
    expect(place(227, { size: 11, stride: 4 }).height).to.equal(55);
    expect(place(7, { size: 3, stride: 1 }).height).to.equal(5);
    expect(place(7, { size: 3, stride: 2 }).height).to.equal(3);
    expect(place(5, { size: 3, stride: 2, padding: 1 }).height).to.equal(3);
    expect(place(5, { size: 3, stride: 1, padding: 1 }).height).to.equal(5);
    expect(place(10, { size: 3, stride: 1 }).height).to.equal(8);
  });

  it('halves 224 five times with 2x2 windows', () => {
    let size = 224;
    for (let i = 0; i < 5; i++) size = place(size, { size: 2, stride: 2 }).height;
    expect(size).to.equal(7);
  });

  it('refuses W=10, F=3, S=2, P=0 with the formula, what fits, and the option', () => {
    const error = thrown(() => place(10, { size: 3, stride: 2 }));
    expect(error.code).to.equal('INVALID_SHAPE');
    expect(error.message)
      .to.contain('(H - F + 2P)/S + 1 = (10 - 3 + 0)/2 + 1 = 4.5')
      .and.contain('an input height of 9 or 11')
      .and.contain('stride 1 or 7')
      .and.contain('size 2 or 4')
      .and.contain('padding {top: 0, bottom: 1}')
      .and.contain("fit: 'crop' gives 4, 'pad' gives 5");
    expect(error.remedy).to.contain("fit: 'crop'");
    expect(error.details).to.include({ axis: 'height', crop: 4, pad: 5 });
  });

  it('names the width when only that does not divide', () => {
    const error = thrown(() =>
      placeWindows(
        9,
        10,
        { size: [3, 3], stride: [2, 2], padding: toSides(0), dilation: [1, 1] },
        'exact',
      ),
    );
    expect(error.message).to.contain('(W - F + 2P)/S + 1 = (10 - 3 + 0)/2 + 1 = 4.5');
  });

  it('suggests only settings that fit', () => {
    for (let input = 3; input < 40; input++)
      for (let size = 1; size < 8; size++)
        for (let stride = 2; stride < 6; stride++)
          for (let padding = 0; padding < size; padding++) {
            const room = input - size + 2 * padding;
            if (room < 0 || room % stride === 0) continue;
            const { message } = thrown(() => place(input, { size, stride, padding }));
            const inputs = numbersAfter(message, 'an input height of');
            const strides = numbersAfter(message, '; stride');
            const sizes = numbersAfter(message, '; size');
            expect(inputs).to.have.length.greaterThan(0);
            for (const v of inputs) place(v, { size, stride, padding });
            for (const v of strides) place(input, { size, stride: v, padding });
            for (const v of sizes) place(input, { size: v, stride, padding });
          }
  });

  it('refuses a window that is larger than the padded volume', () => {
    const error = thrown(() => place(4, { size: 7, stride: 1, padding: 1 }));
    expect(error.code).to.equal('INVALID_SHAPE');
    expect(error.message).to.contain('larger than the padded height of 4 + 2');
  });

  it('crops as PyTorch and pads as Caffe', () => {
    expect(place(10, { size: 3, stride: 2, fit: 'crop' }).height).to.equal(4);
    expect(place(10, { size: 3, stride: 2, fit: 'pad' }).height).to.equal(5);
    expect(place(9, { size: 3, stride: 2, fit: 'pad' }).height).to.equal(4);
  });

  it('drops a last window that starts in the padding, as PyTorch and Caffe do', () => {
    // torch.nn.MaxPool2d(2, stride=2, padding=1, ceil_mode=True) on 5x5 gives 3x3, on 4x4 3x3.
    expect(place(5, { size: 2, stride: 2, padding: 1, fit: 'pad' }).height).to.equal(3);
    expect(place(4, { size: 2, stride: 2, padding: 1, fit: 'pad' }).height).to.equal(3);
    // torch.nn.MaxPool2d(1, stride=3, ceil_mode=True) on 5: ceil gives 3, the third starts at 6 >= 5.
    expect(place(5, { size: 1, stride: 3, fit: 'pad' }).height).to.equal(2);
    // torch.nn.MaxPool2d(3, stride=2, padding=1, ceil_mode=True) on 6x6 gives 4x4.
    expect(place(6, { size: 3, stride: 2, padding: 1, fit: 'pad' }).height).to.equal(4);
  });

  it('counts a dilated filter by what it covers', () => {
    expect(place(9, { size: 3, stride: 1, dilation: 2 }).height).to.equal(5);
    expect(thrown(() => place(4, { size: 3, stride: 1, dilation: 2 })).message).to.contain(
      'a window of 5',
    );
  });
});

describe('padding', () => {
  it("'same' gives ceil(in / stride) rows, the odd one at the bottom", () => {
    for (let input = 1; input < 20; input++)
      for (let size = 1; size < 8; size++)
        for (let stride = 1; stride < 5; stride++) {
          const { height, padding } = place(input, { size, stride, padding: 'same' });
          expect(height).to.equal(Math.ceil(input / stride));
          expect(padding.bottom - padding.top).to.be.within(0, 1);
          expect(padding.right - padding.left).to.equal(padding.bottom - padding.top);
        }
    expect(place(6, { size: 3, stride: 2, padding: 'same' }).padding).to.deep.equal(
      sides(0, 1, 1, 0),
    );
  });

  it('is given for all sides, by axis, or side by side', () => {
    expect(toSides(2)).to.deep.equal(sides(2, 2, 2, 2));
    expect(toSides([1, 3])).to.deep.equal(sides(1, 3, 1, 3));
    expect(toSides({ left: 2, bottom: 1 })).to.deep.equal(sides(0, 0, 1, 2));
    expect(toSides('valid')).to.deep.equal(sides(0, 0, 0, 0));
  });
});

function sides(top: number, right: number, bottom: number, left: number): Sides {
  return { top, right, bottom, left };
}

function numbersAfter(message: string, word: string): number[] {
  const found = new RegExp(`${word} (\\d+)(?: or (\\d+))?`).exec(message);
  return found === null ? [] : found.slice(1).flatMap((v) => (v === undefined ? [] : [Number(v)]));
}
