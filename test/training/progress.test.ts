import { expect } from 'chai';
import { MetricSums } from '../../lib/training/metrics.js';
import { openProgress, type ProgressState } from '../../lib/training/progress.js';

/** What a stream was given; enough of a terminal for the bar. */
function recorder(isTTY: boolean): { stream: NodeJS.WriteStream; text: () => string } {
  let text = '';
  const stream = {
    isTTY,
    columns: 200,
    write: (chunk: string) => ((text += chunk), true),
    cursorTo: () => true,
    clearLine: () => true,
    moveCursor: () => true,
  };
  return { stream: stream as unknown as NodeJS.WriteStream, text: () => text };
}

function state(step: number, seconds: number): ProgressState {
  const sums = new MetricSums(10);
  sums.add({ loss: 32, weight: 64, count: 64, top1: 48, top5: 64 });
  return {
    epoch: 1,
    epochs: 3,
    step,
    steps: 100,
    samples: 64 * step,
    seconds,
    dataWait: seconds / 20,
    sums,
  };
}

describe('the progress line', () => {
  it('is a plain line now and then where there is no terminal', async () => {
    const { stream, text } = recorder(false);
    const progress = await openProgress(stream);
    progress.update(state(10, 1));
    expect(text()).to.equal('');
    progress.update(state(50, 6));
    expect(text()).to.equal(
      'epoch 2/3  step 50/100  533 images/s  loss 0.5000  accuracy 75.00 %  data wait 5 %  0:06 left\n',
    );
    progress.update(state(60, 7));
    progress.finish(state(100, 12), '  validation loss 0.1');
    progress.stop();
    expect(text().split('\n')[1]).to.equal(
      'epoch 2/3  533 images/s  loss 0.5000  accuracy 75.00 %  data wait 5 %  0:12  validation loss 0.1',
    );
  });

  it('is a bar on a terminal, and leaves one line an epoch', async () => {
    const { stream, text } = recorder(true);
    const progress = await openProgress(stream);
    progress.update(state(25, 3));
    progress.update(state(50, 6));
    progress.finish(state(100, 12), '');
    progress.stop();
    expect(text()).to.contain('epoch 2/3').and.contain('25 %').and.contain('images/s');
    expect(text().trimEnd().split('\n').at(-1)).to.contain('epoch 2/3  533 images/s');
  });

  it('knows no end of a stream of unknown length', async () => {
    const { stream, text } = recorder(false);
    const progress = await openProgress(stream);
    progress.update({ ...state(50, 6), steps: undefined, epochs: Infinity });
    expect(text())
      .to.match(/^epoch 2 {2}step 50 {2}533 images\/s/)
      .and.not.contain('left');
  });
});
