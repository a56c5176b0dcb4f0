import { printShape } from '../../graph/shape.js';
import type * as Dagre from '@dagrejs/dagre';
import { colourOf, titleOf, type Stage } from './stages.js';
import { arrow, document, escapeText, group, text, type Point } from './svg.js';

const lineHeight = 13;
const margin = 16;

/** The stages as boxes with arrows, from top to bottom; placed by dagre. */
export async function drawGraph(stages: readonly Stage[], title: string): Promise<string> {
  // A CommonJS module: what it exports is its default.
  const { graphlib, layout } = (
    (await import('@dagrejs/dagre')) as unknown as { default: typeof Dagre }
  ).default;
  const graph = new graphlib.Graph().setGraph({
    rankdir: 'TB',
    nodesep: 14,
    ranksep: 22,
    marginx: margin,
    marginy: margin,
  });
  graph.setDefaultEdgeLabel(() => ({}));
  const lines = stages.map(linesOf);
  for (const [i, content] of lines.entries()) {
    const longest = Math.max(...content.map(({ length }) => length));
    graph.setNode(String(i), {
      width: longest * 6.1 + 16,
      height: content.length * lineHeight + 10,
    });
  }
  for (const [i, { inputs }] of stages.entries())
    for (const source of new Set(inputs)) graph.setEdge(String(source), String(i));
  layout(graph);
  const parts: string[] = [];
  for (const edge of graph.edges()) {
    const { points } = graph.edge(edge) as { points: { x: number; y: number }[] };
    parts.push(arrow(points.map(({ x, y }): Point => [x, y])));
  }
  for (const [i, stage] of stages.entries()) {
    const { x, y, width, height } = graph.node(String(i)) as Record<
      'x' | 'y' | 'width' | 'height',
      number
    >;
    const box = `<rect x="${(x - width / 2).toFixed(1)}" y="${(y - height / 2).toFixed(1)}" width="${width.toFixed(1)}" height="${height.toFixed(1)}" rx="4" fill="${escapeText(colourOf(stage).front)}"/>`;
    const first = y - (lines[i]!.length * lineHeight) / 2 + lineHeight - 3;
    const written = lines[i]!.map((content, row) =>
      text([x, first + row * lineHeight], content, row === 0 ? {} : { className: 'small' }),
    );
    parts.push(group(titleOf(stage), [box, ...written]));
  }
  const { width = 0, height = 0 } = graph.graph() as { width?: number; height?: number };
  return document(width, height, title, parts);
}

function linesOf({ names, kinds, node, parameters }: Stage): string[] {
  const [first = '', ...rest] = names;
  const after = kinds.slice(1).join(', ');
  return [
    first,
    ...(rest.length === 0 ? [] : [`+ ${after}`]),
    `${kinds[0]} ${printShape(node.shape)}`,
    ...(parameters === 0 ? [] : [`${parameters.toLocaleString('en-US')} parameters`]),
  ];
}
