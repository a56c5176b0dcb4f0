import { elementsOf, printShape } from '../../graph/shape.js';
import { printBytes } from '../summary.js';
import type { Finding, Rule } from './finding.js';

const mebibyte = 2 ** 20;

/** Below this the first layers are no burden: bytes an image, values and their gradients. */
const noticeable = 16 * mebibyte;

/** Of all values. */
const largeShare = 0.4;

/**
 * "The amount of memory can build up very quickly" early on: volumes of more than half the input's height
 * and width that hold a large share of all values.
 */
export const heavyFirstLayers: Rule = ({ network, summary }) => {
  const [height, width, channels] = network.nodes[network.inputs[0]!]!.shape;
  if (channels === undefined) return [];
  const early = summary.rows.filter(
    ({ output, kind, values }) =>
      kind !== 'input' &&
      values > 0 &&
      output[0]! * 2 > height! &&
      output[1]! * 2 > width! &&
      output.length === 3,
  );
  const bytes = 2 * early.reduce((sum, row) => sum + row.bytesPerImage, 0);
  const share = bytes / (2 * summary.totals.bytesPerImage);
  if (bytes < noticeable || share < largeShare) return [];
  const [first] = early;
  return [
    {
      rule: 'heavy-first-layers',
      level: 'advice',
      layer: first!.name,
      message: `${early.length} volumes as large as the input, the first of ${printShape(first!.output)}, take ${printBytes(bytes)} an image with their gradients, ${Math.round(share * 100)} % of all`,
      suggestion:
        'Compromise at the first layer alone: filters of 7x7 at stride 2 (ZFNet, ResNet) or 11x11 at stride 4 (AlexNet), or pool earlier.',
    },
  ];
};

/** Most parameters in one dense layer: "these FC layers can be removed with no performance downgrade". */
export const heavyDense: Rule = ({ network, summary }) => {
  const { parameters } = summary.totals;
  return network.nodes.flatMap((node): Finding[] => {
    const row = summary.rows[node.id]!;
    const source = network.nodes[node.inputs[0] ?? -1];
    if (node.layer?.kind !== 'dense' || source === undefined || row.parameters <= parameters / 2)
      return [];
    if (row.parameters < 1_000_000) return [];
    return [
      {
        rule: 'heavy-dense',
        level: 'advice',
        layer: node.name,
        message: `${row.parameters.toLocaleString('en-US')} of ${parameters.toLocaleString('en-US')} parameters are in this layer, which reads ${elementsOf(source.shape).toLocaleString('en-US')} values`,
        suggestion:
          'Average over the plane before (globalAvgPool2d), as GoogLeNet and residual networks do.',
      },
    ];
  });
};

/** "A stack of CONV layers with nonlinearities in between": without one, two linear layers are one. */
export const linearStack: Rule = ({ network }) => {
  const linear = new Set(['conv2d', 'dense']);
  const passing = new Set([
    'flatten',
    'reshape',
    'dropout',
    'batchNorm',
    'avgPool2d',
    'globalAvgPool2d',
  ]);
  return network.nodes.flatMap((node): Finding[] => {
    if (!linear.has(node.layer?.kind ?? '')) return [];
    let source = network.nodes[node.inputs[0]!]!;
    while (passing.has(source.layer?.kind ?? '')) source = network.nodes[source.inputs[0]!]!;
    if (!linear.has(source.layer?.kind ?? '')) return [];
    return [
      {
        rule: 'linear-stack',
        level: 'warning',
        layer: node.name,
        message: `no nonlinearity stands between ${source.name} and ${node.name}: together they compute one linear function`,
        suggestion: `Put an activation such as relu() after ${source.name}, or leave one of the two out.`,
      },
    ];
  });
};
