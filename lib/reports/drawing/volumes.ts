import { elementsOf, printShape, type Shape } from '../../graph/shape.js';
import { document, group, polygon, text, type Point } from './svg.js';
import { colourOf, titleOf, type Stage } from './stages.js';

/** Pixels of the picture for the tallest volume, the deepest one, and the longest vector. */
const tallest = 200;
const deepest = 64;
const longest = 90;
/** Right and up for one pixel of depth into the page: a volume's width, drawn aslant. */
const slant: Point = [0.42, 0.3];
const gap = 26;
const margin = 24;
const thinnest = 2;

/** Volumes as boxes from left to right: heights and widths to one scale, channels to another. */
export function drawVolumes(stages: readonly Stage[], title: string): string {
  const shapes = stages.map(({ node }) => node.shape);
  const scales = scalesOf(shapes);
  const boxes = shapes.map((shape) => boxOf(shape, scales));
  const floor = margin + Math.max(...boxes.map(({ h, w }) => h + w * slant[1]));
  const parts: string[] = [];
  let x = margin;
  for (const [i, stage] of stages.entries()) {
    const box = boxes[i]!;
    parts.push(
      group(titleOf(stage), [...faces(x, floor, box, stage), ...labels(x, floor, stage, i)]),
    );
    x += Math.max(box.c + box.w * slant[0], 30) + gap;
  }
  parts.push(text([margin, floor + 62], legend(scales), { anchor: 'start', className: 'small' }));
  return document(Math.max(x + 2 * margin, 560), floor + 76, title, parts);
}

/** Pixels here for one of a volume's. */
interface Scales {
  readonly plane: number;
  readonly channels: number;
  readonly vector: number;
}

interface Box {
  readonly h: number;
  readonly w: number;
  readonly c: number;
}

function scalesOf(shapes: readonly Shape[]): Scales {
  const most = (numbers: readonly number[]): number => Math.max(1, ...numbers);
  const volumes = shapes.filter((shape) => shape.length === 3);
  const vectors = shapes.filter((shape) => shape.length < 3);
  return {
    plane: tallest / most(volumes.flatMap(([h, w]) => [h!, w!])),
    channels: deepest / most(volumes.map(([, , c]) => c!)),
    vector: longest / most(vectors.map(elementsOf)),
  };
}

function boxOf(shape: Shape, { plane, channels, vector }: Scales): Box {
  const drawn = (extent: number): number => Math.max(thinnest, extent);
  if (shape.length < 3) return { h: thinnest, w: thinnest, c: drawn(elementsOf(shape) * vector) };
  const [h, w, c] = shape;
  return { h: drawn(h! * plane), w: drawn(w! * plane), c: drawn(c! * channels) };
}

function legend({ plane, channels, vector }: Scales): string {
  const one = (scale: number): string => Number((1 / scale).toPrecision(2)).toString();
  return (
    `1 pixel of this picture: ${one(plane)} of a volume's height or width, ${one(channels)} channels, ` +
    `${one(vector)} values of a vector; what would be thinner is ${thinnest} wide`
  );
}

function faces(x: number, floor: number, { h, w, c }: Box, stage: Stage): string[] {
  const colour = colourOf(stage);
  const [dx, dy] = [w * slant[0], w * slant[1]];
  const top = floor - h;
  const front: Point[] = [
    [x, top],
    [x + c, top],
    [x + c, floor],
    [x, floor],
  ];
  const lid: Point[] = [
    [x, top],
    [x + dx, top - dy],
    [x + c + dx, top - dy],
    [x + c, top],
  ];
  const side: Point[] = [
    [x + c, top],
    [x + c + dx, top - dy],
    [x + c + dx, floor - dy],
    [x + c, floor],
  ];
  return [polygon(front, colour.front), polygon(lid, colour.top), polygon(side, colour.side)];
}

/** Names stand on two levels in turn, so that neighbours do not touch. */
function labels(x: number, floor: number, { names, node }: Stage, i: number): string[] {
  const y = floor + 14 + (i % 2) * 24;
  return [
    text([x, y], names[0]!, { anchor: 'start' }),
    text([x, y + 11], printShape(node.shape), { anchor: 'start', className: 'small' }),
  ];
}
