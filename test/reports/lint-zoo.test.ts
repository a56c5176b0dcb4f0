import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { lint, models, printFindings } from '../../lib/index.js';

/** The reviewed findings by network: lines that begin with # are the review. */
const reviewed = new Map(
  readFileSync(new URL('lint-zoo.txt', import.meta.url), 'utf8')
    .replaceAll(/^#.*\n/gm, '')
    .split(/^== /m)
    .slice(1)
    .map((section): [string, string] => {
      const [id, ...lines] = section.trim().split('\n');
      return [id!, lines.join('\n')];
    }),
);

describe('lint: classic networks', () => {
  it('the six of the notes are reviewed', () => {
    for (const id of ['lenet5', 'alexnet', 'zfnet', 'vgg16', 'googlenet', 'resnet50'])
      expect([...reviewed.keys()]).to.include(id);
  });

  for (const [id, text] of reviewed)
    it(`${id} has the findings of the review`, () => {
      expect(printFindings(lint(models.zoo[id]!()))).to.equal(text);
    });
});
