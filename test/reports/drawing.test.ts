import { expect } from 'chai';
import { add, architecture, conv2d, draw, input, network, relu } from '../../lib/index.js';
import { escapeText } from '../../lib/reports/drawing/svg.js';

const chain = architecture('INPUT 32x16x3 -> CONV 3x3 8 -> RELU -> POOL -> FC 10');
const branches = (() => {
  const x = input([8, 8, 4]);
  return network(x, relu()(add(x, conv2d({ filters: 4, size: 1 })(x))));
})();

/** Points of every polygon. */
const polygons = (svg: string): number[][][] =>
  [...svg.matchAll(/<polygon points="([^"]+)"/g)].map(([, points]) =>
    points!.split(' ').map((point) => point.split(',').map(Number)),
  );

describe('draw', () => {
  it('draws volumes to one scale', async () => {
    const svg = await draw(chain);
    const fronts = polygons(svg).filter((_, i) => i % 3 === 0);
    const height = (i: number): number => fronts[i]![3]![1]! - fronts[i]![0]![1]!;
    expect(fronts).to.have.length(4);
    expect(height(0)).to.equal(200);
    expect(height(1)).to.equal(200);
    expect(height(2)).to.equal(100);
    expect(svg).to.match(/<title>conv1 \(conv2d\), relu1 \(relu\)\n32 x 16 x 8\n224 parameters/);
  });

  it('draws branches as a graph: a box for each stage, an arrow for each edge', async () => {
    const svg = await draw(branches);
    expect(svg.match(/<polyline/g)).to.have.length(3);
    expect(svg.match(/rx="4"/g)).to.have.length(3);
    expect(await draw(chain, { style: 'graph' })).to.contain('+ relu');
  });

  it('every number is finite, and text is no markup', async () => {
    for (const svg of [await draw(chain), await draw(branches)]) {
      expect(svg).not.to.match(/NaN|Infinity|undefined/);
      expect(svg.trimEnd().endsWith('</svg>')).to.equal(true);
    }
    const hostile = '</title><script>alert(1)</script>';
    expect(await draw(chain, { title: hostile })).not.to.contain('<script>');
    expect(escapeText(`a<b>&"'`)).to.equal('a&lt;b&gt;&amp;&quot;&#39;');
  });

  it('refuses volumes in a row for branches, and unknown styles', async () => {
    const codeOf = (call: Promise<unknown>): Promise<unknown> =>
      call.then(
        () => undefined,
        (error: unknown) => (error as { code?: unknown }).code,
      );
    expect(await codeOf(draw(branches, { style: 'volumes' }))).to.equal('INVALID_ARGUMENT');
    expect(await codeOf(draw(chain, { style: 'pie' as 'graph' }))).to.equal('INVALID_ARGUMENT');
  });
});
