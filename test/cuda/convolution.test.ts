// Convolution on the CUDA device: its need for workspace, its algorithms, its chunks of images.
import { expect } from 'chai';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { conv2d, dense, flatten } from '../../lib/layers/index.js';
import { cudaConvNeed, type ConvSizes } from '../../lib/layers/conv2d-cuda.js';
import { sequential } from '../../lib/graph/sequential.js';
import type { AttributeValues } from '../../lib/program/op.js';
import { device, type Device } from '../../lib/runtime/device.js';
import { packageRoot } from '../../scripts/paths.js';
import { findProgram } from '../../scripts/tools.js';
import { temporaryFolder } from '../support/digits.js';
import { codeOf } from '../support/errors.js';
import { skipGroup } from '../support/skip.js';
import { randomNumbers } from '../training/support.js';
import { digitBatches, distance, lossesOf, trainerOn } from './digits.js';
import { emulatedLibrary } from './emulated.js';

const directions = ['forward', 'backwardData', 'backwardFilter'] as const;

interface Row {
  direction: (typeof directions)[number];
  attributes: AttributeValues;
  sizes: ConvSizes;
}

/** Convolutions of all kinds; what the C++ program reads is one line of each. */
function table(): Row[] {
  const random = randomNumbers(11);
  const pick = (least: number, most: number): number =>
    least + Math.floor(random() * (most - least + 1));
  const rows: Row[] = [];
  while (rows.length < 600) {
    const [r, s] = [pick(1, 7), pick(1, 7)];
    const [strideH, strideW] = [pick(1, 3), pick(1, 3)];
    const [h, w] = [pick(1, 40), pick(1, 40)];
    const groups = pick(1, 4);
    const pads = [pick(0, 3), pick(0, 3), pick(0, 3), pick(0, 3)] as const;
    const pointwise = random() < 0.2;
    const [padTop, padLeft, padBottom, padRight] = pointwise ? [0, 0, 0, 0] : pads;
    const filter: [number, number] = pointwise ? [1, 1] : [r, s];
    const [stepH, stepW] = pointwise ? [1, 1] : [strideH, strideW];
    const [dilationH, dilationW] = [pick(1, 4), pick(1, 4)];
    const [spanH, spanW] = [dilationH * (filter[0] - 1) + 1, dilationW * (filter[1] - 1) + 1];
    const p = Math.floor((h + padTop + padBottom - spanH) / stepH) + 1;
    const q = Math.floor((w + padLeft + padRight - spanW) / stepW) + 1;
    if (p < 1 || q < 1) continue;
    const direction = directions[rows.length % 3]!;
    rows.push({
      direction,
      attributes: {
        ...{ strideH: stepH, strideW: stepW, padTop, padLeft, padBottom, padRight, groups },
        ...{ dilationH, dilationW },
        algorithm: pointwise ? pick(0, 3) : [0, 2, 3][pick(0, 2)]!,
      },
      sizes: {
        x: [h, w, groups * pick(1, 9)],
        y: [p, q, groups * pick(1, 9)],
        filter: direction === 'backwardFilter' && random() < 0.2 ? [0, 0] : filter,
        elementBytes: random() < 0.5 ? 2 : 4,
      },
    });
  }
  return rows;
}

describe('convolution on the CUDA device', function () {
  this.timeout(120_000);
  const folder = temporaryFolder();

  it('needs the workspace that TypeScript plans', function () {
    const compiler = findProgram(['g++', 'clang++']);
    if (compiler === undefined) skipGroup(this, 'a C++ compiler');
    const program = join(folder(), 'conv_workspace');
    const includes = ['native', 'native/emulator/include'].map(
      (path) => `-I${join(packageRoot, path)}`,
    );
    const source = join(packageRoot, 'test', 'native', 'cuda', 'conv_workspace.cpp');
    execFileSync(compiler, ['-std=c++17', ...includes, source, '-o', program]);
    const rows = table();
    const input = rows.map(({ direction, attributes: a, sizes: { x, y, filter, elementBytes } }) =>
      [
        directions.indexOf(direction),
        ...filter,
        ...[a.strideH, a.strideW, a.padTop, a.padLeft, a.padBottom, a.padRight],
        ...[a.dilationH, a.dilationW, a.groups, a.algorithm],
        ...[...x, ...y, elementBytes],
      ].join(' '),
    );
    const output = execFileSync(program, { input: input.join('\n'), encoding: 'utf8' });
    const answers = output.trim().split('\n');
    expect(answers).to.have.length(rows.length);
    rows.forEach(({ direction, attributes, sizes }, i) => {
      const { fixed, perImage } = cudaConvNeed(direction, attributes, sizes);
      expect(`${fixed} ${perImage}`, `${direction} ${input[i]}`).to.equal(answers[i]);
    });
  });

  describe('algorithms', () => {
    let cuda: Device;
    before(async function () {
      emulatedLibrary(this);
      cuda = await device('cuda:emulated');
    });
    after(() => cuda?.close());

    it('give the same losses, with strides and groups too', async () => {
      const batches = digitBatches(2, 4, 9 * 8 * 4);
      const net = (algorithm: 'auto' | 'im2col' | 'col2im') =>
        sequential(
          [9, 8, 4],
          [
            conv2d({ filters: 6, size: 3, padding: 1, algorithm }),
            conv2d({
              filters: 8,
              size: 3,
              stride: 2,
              padding: 1,
              groups: 2,
              fit: 'crop',
              algorithm,
            }),
            conv2d({ filters: 4, size: 1, algorithm }),
            conv2d({ filters: 4, size: [3, 2], fit: 'crop', algorithm }),
            flatten(),
            dense({ units: 10 }),
          ],
        );
      const expected = await losses('auto');
      for (const algorithm of ['im2col', 'col2im'] as const)
        expect(distance(await losses(algorithm), expected), algorithm).to.be.below(1e-4);

      async function losses(algorithm: 'auto' | 'im2col' | 'col2im'): Promise<number[]> {
        await using trainer = await trainerOn(cuda, net(algorithm), { batch: 4 });
        return await lossesOf(trainer, batches, 4);
      }
    });

    it('gemm is refused for filters that are not 1x1, and right for those that are', async () => {
      const net = (size: number) =>
        sequential(
          [5, 5, 4],
          [conv2d({ filters: 3, size, algorithm: 'gemm' }), flatten(), dense({ units: 10 })],
        );
      expect(await codeOf(trainerOn(cuda, net(3)))).to.equal('INVALID_ARGUMENT');
      await using cpu = await device('cpu');
      await using onCpu = await trainerOn(cpu, net(1), { batch: 4 });
      await using onCuda = await trainerOn(cuda, net(1), { batch: 4 });
      const batches = digitBatches(2, 4, 100);
      expect(
        distance(await lossesOf(onCuda, batches, 3), await lossesOf(onCpu, batches, 3)),
      ).to.be.below(1e-4);
    });
  });

  it('float64 is refused when the program is made', async function () {
    emulatedLibrary(this);
    await using cuda = await device('cuda:emulated');
    const net = sequential([4], [dense({ units: 10 })]);
    expect(await codeOf(trainerOn(cuda, net, { precision: 'float64' }))).to.equal(
      'INVALID_ARGUMENT',
    );
  });
});
