import { expect } from 'chai';
import sharp from 'sharp';
import * as data from '../../lib/data/index.js';
import { imageSet } from '../../lib/data/images/set.js';
import { evaluateViews } from '../../lib/training/views.js';
import { codeOf } from '../support/errors.js';

describe('several views of an image', () => {
  /** Image i: its left third has the grey 20 i, the rest is black. */
  async function set(options: object, labels = [0, 1, 2, 0, 1]): Promise<data.ImageSet> {
    const files = await Promise.all(
      labels.map((_, i) => {
        const bytes = Uint8Array.from({ length: 30 * 20 * 3 }, (__, at) =>
          Math.floor(at / 3) % 30 < 10 ? 20 * (i + 1) : 0,
        );
        return sharp(bytes, { raw: { width: 30, height: 20, channels: 3 } })
          .png()
          .toBuffer();
      }),
    );
    const source = {
      length: files.length,
      classes: ['a', 'b', 'c'],
      nameOf: String,
      labelOf: (i: number) => labels[i]!,
      read: async (i: number) => files[i]!,
    };
    return imageSet('test', source, { size: 10, ...options });
  }

  it('are samples one behind the other, each through its own transforms', async () => {
    const views = data.tenCrop(10, 20);
    const found = await set({ views });
    expect([found.length, found.views]).to.deep.equal([50, 10]);
    expect([found.nameOf(10), found.nameOf(49), found.labelOf(29)]).to.deep.equal(['1', '4', 2]);
    const x = new Uint8Array(10 * 300);
    const target = new Int32Array(10);
    await found.read(
      Uint32Array.from({ length: 10 }, (_, i) => 10 + i),
      { x, target },
    );
    expect([...target]).to.deep.equal(Array(10).fill(1));
    const greys = Array.from({ length: 10 }, (_, i) => x[i * 300]);
    // Upper left, upper right, ...: the corners of the image and of its mirror image.
    expect(greys).to.deep.equal([40, 0, 40, 0, 0, 0, 40, 0, 40, 0]);
  });

  it('are averaged as probabilities', async () => {
    const found = await set({ views: [[data.cropAt(10, 0, 0)], [data.cropAt(10, 1, 0)]] });
    const seen: number[] = [];
    const model = {
      async predict(x: Uint8Array | Float32Array) {
        const n = x.length / 300;
        seen.push(n);
        const out = new Float32Array(3 * n);
        // The first view is sure of class 0, the second a little less of 1.
        for (let i = 0; i < n; i++) out.set(x[i * 300]! > 0 ? [2, 0, 0] : [0, 3, 0], 3 * i);
        return { data: out, shape: [n, 3] };
      },
    };
    const metrics = await evaluateViews(model, found, { batch: 5 });
    expect(seen).to.deep.equal([4, 4, 2]);
    const p = (logits: number[], c: number): number =>
      Math.exp(logits[c]!) / logits.reduce((sum, v) => sum + Math.exp(v), 0);
    const mean = [0, 1, 2].map((c) => (p([2, 0, 0], c) + p([0, 3, 0], c)) / 2);
    expect(metrics.count).to.equal(5);
    expect(metrics.accuracy).to.equal(2 / 5);
    const loss = -(2 * Math.log(mean[0]!) + 2 * Math.log(mean[1]!) + Math.log(mean[2]!)) / 5;
    expect(metrics.loss).to.be.closeTo(loss, 1e-6);
  });

  it('are refused beside transforms', async () => {
    const views = data.tenCrop(10);
    expect(await codeOf(set({ views, transforms: [] }))).to.equal('INVALID_ARGUMENT');
    expect(await codeOf(set({ views: [] }))).to.equal('INVALID_ARGUMENT');
  });
});
