import { expect } from 'chai';
import '../../lib/layers/index.js';
import '../../lib/losses/index.js';
import { findOp, listOps, type OpDefinition } from '../../lib/program/op.js';
import { thrown } from '../support/thrown.js';

type Shapes = Record<string, readonly number[] | undefined>;

function eager(name: string, shapes: Shapes, options: Record<string, unknown> = {}) {
  const form = (findOp(name) as OpDefinition).eager!;
  const attributes = form.attributes(shapes, options);
  const outputs = form.outputs(shapes, attributes, options);
  return {
    attributes,
    shapes: Object.fromEntries(Object.entries(outputs).map(([key, { shape }]) => [key, shape])),
  };
}

describe('eager forms', () => {
  it('conv2d and its gradients agree on shapes', () => {
    const [x, w] = [
      [2, 9, 8, 4],
      [3, 5, 2, 6],
    ];
    const options = {
      stride: [2, 1],
      padding: { top: 1, bottom: 1, left: 2, right: 2 },
      groups: 2,
    };
    const forward = eager('conv2d', { x, w, b: [6] }, options);
    const y = forward.shapes.y!;
    expect(y).to.deep.equal([2, 5, 8, 6]);
    const data = eager('conv2dBackwardData', { dy: y, w }, { ...options, inputSize: [9, 8] });
    expect(data.shapes).to.deep.equal({ dx: x });
    const filter = eager(
      'conv2dBackwardFilter',
      { x, dy: y },
      { ...options, size: [3, 5], bias: true },
    );
    expect(filter.shapes).to.deep.equal({ dw: w, db: [6] });
    expect(data.attributes).to.deep.equal(forward.attributes);
    expect(filter.attributes).to.deep.equal(forward.attributes);
  });

  it('conv2d refuses shapes and options that do not fit', () => {
    const shapes = { x: [2, 10, 10, 3], w: [3, 3, 3, 4] };
    expect(thrown(() => eager('conv2d', shapes, { stride: 2 })).message).to.contain('= 4.5');
    expect(eager('conv2d', shapes, { stride: 2, fit: 'crop' }).shapes.y).to.deep.equal([
      2, 4, 4, 4,
    ]);
    expect(thrown(() => eager('conv2d', shapes, { strides: 2 })).remedy).to.contain("'stride'");
    expect(thrown(() => eager('conv2d', { ...shapes, x: [10, 10, 3] })).message).to.contain(
      'x is [n, height, width, channels]',
    );
    const back = { dy: [2, 5, 5, 4], w: [3, 3, 3, 4] };
    expect(thrown(() => eager('conv2dBackwardData', back, { inputSize: 10 })).message).to.contain(
      'dy is 5x5',
    );
    expect(thrown(() => eager('conv2dBackwardData', back)).message).to.contain(
      "needs the option 'inputSize'",
    );
  });

  it('locallyConnected2d and its gradients agree on shapes', () => {
    const x = [2, 7, 9, 3];
    const options = { size: [3, 5], stride: 2, padding: 1 };
    const w = [4, 4, 45, 6];
    const forward = eager('locallyConnected2d', { x, w, b: [4, 4, 6] }, options);
    const y = forward.shapes.y!;
    expect(y).to.deep.equal([2, 4, 4, 6]);
    const back = (name: string, shapes: Shapes, more: object) =>
      eager(`locallyConnected2dBackward${name}`, shapes, { ...options, ...more });
    const data = back('Data', { dy: y, w }, { inputSize: [7, 9] });
    expect(data.shapes).to.deep.equal({ dx: x });
    const filter = back('Filter', { x, dy: y }, { bias: true });
    expect(filter.shapes).to.deep.equal({ dw: w, db: [4, 4, 6] });
    expect(data.attributes).to.deep.equal(forward.attributes);
    expect(filter.attributes).to.deep.equal(forward.attributes);
    const wrong = { x, w: [3, 4, 45, 6] };
    expect(thrown(() => eager('locallyConnected2d', wrong, options)).message).to.contain(
      'w has 3x4 positions, not 4x4',
    );
    expect(thrown(() => back('Filter', { x, dy: [2, 5, 4, 6] }, {})).message).to.contain(
      'dy has 5x4 positions',
    );
    expect(thrown(() => eager('locallyConnected2d', { x, w: [3] }, options)).message).to.contain(
      'size * size * channels',
    );
  });

  it('poolings and their gradients agree on shapes', () => {
    const x = [2, 7, 9, 3];
    const options = { size: 3, stride: 2, padding: 1 };
    const forward = eager('maxPool2d', { x }, { ...options, switches: true });
    expect(forward.shapes).to.deep.equal({ y: [2, 4, 5, 3], switches: [2, 4, 5, 3] });
    const y = forward.shapes.y;
    for (const name of ['maxPool2dBackward', 'avgPool2dBackward'])
      expect(
        eager(name, { dy: y, switches: y }, { ...options, inputSize: [7, 9] }).shapes,
      ).to.deep.equal({ dx: x });
    const over = { x, y, dy: y };
    expect(eager('l2Pool2d', { x }, options).shapes).to.deep.equal({ y });
    expect(eager('l2Pool2dBackward', over, options).shapes).to.deep.equal({ dx: x });
    expect(thrown(() => eager('l2Pool2dBackward', { ...over, dy: x }, options)).message).to.contain(
      'dy is 7x9, but pooling 7x9 gives 4x5',
    );
    expect(eager('avgPool2d', { x }, { size: 7, fit: 'crop' }).shapes.y).to.deep.equal([
      2, 1, 1, 3,
    ]);
  });

  it('padding, resizing and their gradients agree on shapes', () => {
    const x = [2, 4, 5, 3];
    const padding = { top: 1, left: 2, right: 3 };
    const y = eager('pad2d', { x }, { padding, mode: 'reflect' }).shapes.y;
    expect(y).to.deep.equal([2, 5, 10, 3]);
    expect(eager('pad2dBackward', { dy: y }, { padding, mode: 'reflect' })).to.deep.equal({
      attributes: { padTop: 1, padLeft: 2, padBottom: 0, padRight: 3, mode: 1, value: 0 },
      shapes: { dx: x },
    });
    expect(
      thrown(() => eager('pad2dBackward', { dy: [1, 2, 2, 1] }, { padding: 1 })).code,
    ).to.equal('INVALID_SHAPE');
    expect(thrown(() => eager('pad2d', { x }, { padding: 'same' })).code).to.equal(
      'INVALID_ARGUMENT',
    );
    const large = eager('resize2d', { x }, { scale: [2, 3], mode: 'bilinear' });
    expect(large).to.deep.equal({ attributes: { mode: 1 }, shapes: { y: [2, 8, 15, 3] } });
    expect(
      eager('resize2dBackward', { dy: large.shapes.y }, { inputSize: [4, 5], mode: 'bilinear' }),
    ).to.deep.equal({ attributes: { mode: 1 }, shapes: { dx: x } });
    expect(eager('resize2d', { x }, { size: 3 }).shapes.y).to.deep.equal([2, 3, 3, 3]);
    expect(thrown(() => eager('resize2d', { x })).message).to.contain('scale or size');
    expect(eager('addBias', { x, b: [3] }).shapes).to.deep.equal({ y: x });
  });

  it('kinds are names', () => {
    expect(eager('unary', { x: [3] }, { kind: 'log' }).attributes).to.deep.equal({ kind: 4 });
    expect(eager('binary', { a: [3], b: [] }, { kind: 'div' }).shapes).to.deep.equal({ y: [3] });
    expect(eager('reduce', { x: [3, 2] }, { kind: 'mean' }).shapes).to.deep.equal({ y: [] });
    expect(thrown(() => eager('unary', { x: [3] }, { kind: 'toString' })).remedy).to.contain(
      'neg, square',
    );
  });

  it('every op but updates has one', () => {
    const without = listOps().filter((op) => op.eager === undefined);
    const others = without.filter(({ operands }) =>
      operands.every(({ name }) => name !== 'gradients' && name !== 'parameters'),
    );
    expect(others.map(({ name }) => name).sort()).to.deep.equal([
      'batchNormApply',
      'batchNormUpdate',
      'scaleByLossScale',
    ]);
  });
});
