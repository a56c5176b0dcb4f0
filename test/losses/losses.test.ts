import { expect } from 'chai';
import { input, type Value } from '../../lib/graph/value.js';
import { dense, mean, square, sub } from '../../lib/layers/index.js';
import {
  customLoss,
  huber,
  lossFactories,
  lossFromJSON,
  meanAbsoluteError,
  meanSquaredError,
  sigmoidCrossEntropy,
  softmaxCrossEntropy,
  svmHinge,
} from '../../lib/losses/index.js';
import { thrown } from '../support/thrown.js';

describe('softmaxCrossEntropy', () => {
  it('takes labels for logits of any rank that is one pixel', () => {
    const loss = softmaxCrossEntropy();
    expect(loss.target([10])).to.deep.equal({ dtype: 'int32', shape: [] });
    expect(loss.target([1, 1, 10])).to.deep.equal({ dtype: 'int32', shape: [] });
    expect(thrown(() => loss.target([2, 2, 10])).message).to.contain('2x2x10');
    expect(loss.toJSON()).to.deep.equal({ kind: 'softmaxCrossEntropy', ignoreLabel: -1 });
  });

  it('refuses options that are none', () => {
    expect(thrown(() => softmaxCrossEntropy({ ignoreLabel: 0.5 })).code).to.equal(
      'INVALID_ARGUMENT',
    );
    expect(thrown(() => softmaxCrossEntropy({ ignorelabel: 1 } as never)).remedy).to.contain(
      'ignoreLabel',
    );
  });
});

describe('customLoss', () => {
  const refused: [string, (y: Value, target: Value) => unknown, string, string][] = [
    ['no Value', () => 3, 'INVALID_ARGUMENT', 'returned 3'],
    ['a loss for each element', (y, t) => square(sub(y, t)), 'INVALID_SHAPE', 'not one number'],
    ['a loss without the output', (_, t) => mean(t), 'INVALID_ARGUMENT', 'does not depend'],
    ['parameters', (y) => mean(dense({ units: 1 })(y)), 'INVALID_ARGUMENT', 'holds dense'],
    ['a value from outside', (y) => mean(sub(y, input([4]))), 'INVALID_ARGUMENT', 'outside'],
    [
      'shapes that do not fit',
      (y) => mean(sub(y, mean(input([2])))),
      'INVALID_ARGUMENT',
      'outside',
    ],
  ];
  for (const [what, build, code, message] of refused) {
    it(`refuses ${what}`, () => {
      const error = thrown(() => customLoss(build as never).target([4]));
      expect(error.code).to.equal(code);
      expect(error.message).to.contain(message);
    });
  }

  it('takes the target of the output unless told otherwise', () => {
    const loss = customLoss((y, t) => mean(sub(y, t)));
    expect(loss.target([4])).to.deep.equal({ dtype: 'float32', shape: [4] });
    const narrow = customLoss((y, t) => mean(sub(y, mean(t))), { shape: [2] });
    expect(narrow.target([4])).to.deep.equal({ dtype: 'float32', shape: [2] });
    expect(
      thrown(() => customLoss((y, t) => mean(sub(y, t)), { shape: [2] }).target([4])).code,
    ).to.equal('INVALID_SHAPE');
    expect(
      thrown(() => customLoss((y) => mean(y), { dtype: 'int32' }).target([4])).message,
    ).to.contain('int32');
    expect(thrown(() => customLoss('mse' as never)).message).to.contain("'mse'");
  });
});

describe('losses', () => {
  const some = [
    softmaxCrossEntropy({ labelSmoothing: 0.1, classWeights: [1, 2], ignoreLabel: 7 }),
    softmaxCrossEntropy({ softTargets: true }),
    svmHinge({ margin: 0.5, squared: true }),
    meanSquaredError(),
    meanAbsoluteError(),
    huber({ delta: 2 }),
    sigmoidCrossEntropy(),
  ];

  it('are read back from their JSON', () => {
    for (const loss of some) {
      const json: unknown = JSON.parse(JSON.stringify(loss));
      expect(lossFromJSON(json).toJSON()).to.deep.equal(loss.toJSON());
    }
    expect(new Set(some.map(({ kind }) => kind))).to.deep.equal(
      new Set(Object.keys(lossFactories)),
    );
    for (const kind of ['custom', 'toString', undefined])
      expect(thrown(() => lossFromJSON({ kind })).code).to.equal('INVALID_ARGUMENT');
  });

  it('say what they compare with, and whether there are classes', () => {
    const [weighted, soft, hinge, squares] = some;
    expect(weighted!.target([2])).to.deep.equal({ dtype: 'int32', shape: [] });
    expect(soft!.target([1, 1, 5])).to.deep.equal({ dtype: 'float32', shape: [1, 1, 5] });
    expect(hinge!.target([3])).to.deep.equal({ dtype: 'int32', shape: [] });
    expect(squares!.target([4, 4, 3])).to.deep.equal({ dtype: 'float32', shape: [4, 4, 3] });
    expect(some.map((loss) => loss.classes?.([2]))).to.deep.equal([
      ...[2, 2, 2],
      ...[undefined, undefined, undefined, undefined],
    ]);
    expect(thrown(() => hinge!.target([2, 2, 3])).code).to.equal('INVALID_SHAPE');
    expect(thrown(() => weighted!.target([3])).message).to.match(/2 class weights.*3 classes/);
  });

  const refused: Record<string, () => unknown> = {
    'smoothing above 1': () => softmaxCrossEntropy({ labelSmoothing: 1.5 }),
    'smoothing that is text': () => softmaxCrossEntropy({ labelSmoothing: '0.1' as never }),
    'a negative weight': () => softmaxCrossEntropy({ classWeights: [1, -1] }),
    'no weights': () => softmaxCrossEntropy({ classWeights: [] }),
    'one weight': () => softmaxCrossEntropy({ classWeights: 2 as never }),
    'soft targets with a label to ignore': () =>
      softmaxCrossEntropy({ softTargets: true, ignoreLabel: 3 }),
    'a negative margin': () => svmHinge({ margin: -1 }),
    'a margin that is none': () => svmHinge({ margin: NaN }),
    'an exponent': () => svmHinge({ squared: 2 as never }),
    'a delta of 0': () => huber({ delta: 0 }),
    'an unknown option': () => huber({ beta: 1 } as never),
  };
  for (const [what, make] of Object.entries(refused))
    it(`refuse ${what}`, () => {
      const error = thrown(make);
      expect(error.code).to.equal('INVALID_ARGUMENT');
      expect(error.remedy).to.be.a('string');
    });
});
