import { expect } from 'chai';
import { lint, models } from '../../lib/index.js';

/**
 * What the linter finds in networks that work well: layers by rule, read through one by one. GoogLeNet's and
 * the residual networks' loose windows are what their papers have (112.5 outputs from 224 pixels); residual
 * networks stride 1x1 shortcuts on purpose.
 */
const reviewed: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  lenet: { 'same-padding': ['conv1', 'conv2'] },
  'alexnet-owt': { 'large-filter': ['conv1'], 'loose-windows': ['conv1'], 'heavy-dense': ['fc1'] },
  vgg16: { 'heavy-first-layers': ['conv1'], 'heavy-dense': ['fc1'] },
  'googlenet-bn': { 'loose-windows': ['conv1', 'pool1', 'pool2', 'pool3'] },
  resnet50: {
    'conv-stride': [
      'stage2/block1/conv2',
      'stage2/block1/shortcut/conv1',
      'stage3/block1/conv2',
      'stage3/block1/shortcut/conv1',
      'stage4/block1/conv2',
      'stage4/block1/shortcut/conv1',
    ],
    'loose-windows': [
      'conv1',
      'stage2/block1/conv2',
      'stage2/block1/shortcut/conv1',
      'stage3/block1/conv2',
      'stage3/block1/shortcut/conv1',
      'stage4/block1/conv2',
      'stage4/block1/shortcut/conv1',
      'pool1',
    ],
  },
  'squeezenet1.1': { 'loose-windows': ['conv1'] },
};

describe('lint: classic networks', () => {
  for (const [id, expected] of Object.entries(reviewed))
    it(id, () => {
      const found: Record<string, string[]> = {};
      for (const { rule, layer } of lint(models.zoo[id]!())) (found[rule] ??= []).push(layer!);
      expect(found).to.deep.equal(expected);
    });
});
