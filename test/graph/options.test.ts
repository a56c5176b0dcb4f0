import { expect } from 'chai';
import { nearest } from '../../lib/graph/nearest.js';
import { conv2d, dense, dropout, maxPool2d, relu } from '../../lib/layers/index.js';
import { thrown } from '../support/thrown.js';

describe('layer options', () => {
  it('that are unknown name the nearest', () => {
    const error = thrown(() => conv2d({ filters: 2, size: 3, strides: 2 } as never));
    expect(error.code).to.equal('INVALID_ARGUMENT');
    expect(error.message).to.equal("conv2d has no option 'strides'");
    expect(error.remedy).to.equal("Did you mean 'stride'?");
    expect(thrown(() => relu({ inplace: true } as never)).remedy).to.equal('Its options: name.');
    expect(thrown(() => dense({ unit: 3 } as never)).remedy).to.contain("'units'");
  });

  it('that are missing are named', () => {
    expect(thrown(() => conv2d({ filters: 2 } as never)).message).to.contain(
      "needs the option 'size'",
    );
    expect(thrown(() => maxPool2d({} as never)).message).to.contain("needs the option 'size'");
  });

  it('out of range are named with what is allowed', () => {
    const refused: [() => unknown, string][] = [
      [() => conv2d({ filters: 0, size: 3 }), 'conv2d: filters is 0'],
      [() => conv2d({ filters: 1.5, size: 3 }), 'conv2d: filters is 1.5'],
      [() => conv2d({ filters: '8' as never, size: 3 }), "conv2d: filters is '8'"],
      [() => conv2d({ filters: 8, size: [3, 3, 3] as never }), 'conv2d: size is an array of 3'],
      [() => conv2d({ filters: 8, size: 3, padding: -1 }), 'conv2d: padding is -1'],
      [
        () => conv2d({ filters: 8, size: 3, padding: 'full' as never }),
        "conv2d: padding is 'full'",
      ],
      [
        () => conv2d({ filters: 8, size: 3, padding: { up: 1 } as never }),
        "conv2d: padding has no option 'up'",
      ],
      [() => conv2d({ filters: 8, size: 3, bias: 1 as never }), 'conv2d: bias is 1'],
      [() => conv2d({ filters: 8, size: 3, fit: 'floor' as never }), "conv2d: fit is 'floor'"],
      [
        () => conv2d({ filters: 8, size: 3, init: 'he' as never }),
        'conv2d: init is not an initializer',
      ],
      [() => dropout({ rate: 1 }), 'dropout: rate is 1'],
      [() => dropout({ rate: NaN }), 'dropout: rate is NaN'],
      [() => dense(10 as never), 'dense takes an object of options, not 10'],
      [() => dense(null as never), 'dense takes an object of options, not null'],
    ];
    for (const [call, message] of refused) {
      const error = thrown(call);
      expect(error.message).to.equal(message);
      expect(error.code).to.equal('INVALID_ARGUMENT');
      expect(error.remedy).to.be.a('string');
    }
  });
});

describe('nearest', () => {
  it('finds a misspelt word, and nothing where none is near', () => {
    expect(nearest('paddding', ['padding', 'stride'])).to.equal('padding');
    expect(nearest('Stride', ['padding', 'stride'])).to.equal('stride');
    expect(nearest('colour', ['padding', 'stride'])).to.equal(undefined);
  });
});
