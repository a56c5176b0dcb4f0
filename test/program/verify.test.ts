import { expect } from 'chai';
import { compileTraining } from '../../lib/program/compile.js';
import { bytesOf, type DType, type Program } from '../../lib/program/program.js';
import { assertSound, verify, type FaultKind } from '../../lib/program/verify.js';
import { clone, lenet, mixture, nestedConcat, recipe, residual } from './nets.js';

/** The kinds of fault that a change of a sound program brings. */
function kindsAfter(program: Program, plant: (p: Program) => void): FaultKind[] {
  const changed = clone(program);
  plant(changed);
  return [...new Set(verify(changed).map((f) => f.kind))];
}

describe('verify', () => {
  const program = compileTraining(lenet(), recipe);
  const indexOf = (op: string): number => program.instructions.findIndex((i) => i.op === op);
  const buffer = (p: Program, name: string) => p.buffers.find((b) => b.name === name)!;

  it('accepts what the compiler makes', () => {
    for (const net of [lenet(), mixture(), nestedConcat(), residual()])
      for (const batch of [1, 3, 17])
        expect(verify(compileTraining(net, { ...recipe, batch }))).to.deep.equal([]);
  });

  it('finds two live buffers in the same memory', () => {
    expect(
      kindsAfter(program, (p) => {
        buffer(p, 'pool1.y').offset = buffer(p, 'conv1.y').offset;
      }),
    ).to.include('overlap');
  });

  it('finds a buffer off its alignment, of a wrong size, or outside its region', () => {
    const plants: ((p: Program) => void)[] = [
      (p) => (buffer(p, 'conv1.y').offset += 4),
      (p) => (buffer(p, 'conv1.y').bytes -= 4),
      (p) => (p.bytes.arena -= 64),
      (p) => (buffer(p, 'conv1.y').first = 1000),
    ];
    for (const plant of plants) expect(kindsAfter(program, plant)).to.include('buffer');
  });

  it('finds an access outside a lifetime', () => {
    expect(kindsAfter(program, (p) => (buffer(p, 'conv1.y').last -= 1))).to.include('lifetime');
  });

  it('finds wrong roles, operands and attributes', () => {
    const conv = indexOf('conv2d');
    const plants: ((p: Program) => void)[] = [
      (p) => (p.instructions[conv]!.operands[0]!.access = 'overwrite'),
      (p) => (p.instructions[conv]!.operands[3]!.access = 'read'),
      (p) => (p.instructions[conv]!.operands[3] = null),
      (p) => p.instructions[conv]!.operands.pop(),
      (p) => (p.instructions[conv]!.op = 'conv3d'),
      (p) => delete p.instructions[conv]!.attributes.groups,
      (p) => (p.instructions[conv]!.attributes.colour = 1),
    ];
    for (const plant of plants) expect(kindsAfter(program, plant)).to.include('role');
  });

  it('finds element types that the op does not take', () => {
    const retype = (name: string, dtype: DType) => (p: Program) => {
      const b = buffer(p, name);
      b.dtype = dtype;
      b.bytes = (b.fixed + b.perImage * p.batch) * bytesOf[dtype];
    };
    const plants: ((p: Program) => void)[] = [
      retype('conv1.y', 'bfloat16'),
      retype('conv1.y', 'float64'),
      retype('conv1.y', 'int32'),
      retype('loss.statistics', 'float16'),
      retype('target', 'float32'),
    ];
    for (const plant of plants) expect(kindsAfter(program, plant)).to.include('type');
    // All volumes of an op in 16 bits, what it computes with in float32.
    const halves = clone(program);
    for (const name of ['conv1.y', 'pool1.y']) retype(name, 'bfloat16')(halves);
    const pool = halves.instructions.findIndex(({ op }) => op === 'maxPool2d');
    expect(verify(halves).filter((f) => f.instruction === pool)).to.deep.equal([]);
  });

  it('finds a view that leaves its buffer', () => {
    const conv = indexOf('conv2d');
    const plants: ((p: Program) => void)[] = [
      (p) => (p.instructions[conv]!.operands[3]!.offset = 1),
      (p) => (p.instructions[conv]!.operands[3]!.shape[1]! += 1),
      (p) => (p.instructions[conv]!.operands[3]!.pitch += 4),
      (p) => (p.instructions[conv]!.operands[3]!.pitch -= 4),
      (p) => (p.instructions[conv]!.operands[3]!.buffer = 999),
    ];
    for (const plant of plants) expect(kindsAfter(program, plant)).to.include('bounds');
  });

  it('finds a read before the write', () => {
    const swap = (p: Program, a: number, b: number): void => {
      [p.instructions[a], p.instructions[b]] = [p.instructions[b]!, p.instructions[a]!];
    };
    const isolated = compileTraining(lenet(), { ...recipe, isolate: true });
    const all = (p: Program): void => {
      for (const b of p.buffers) [b.first, b.last] = [0, p.instructions.length - 1];
    };
    const conv = isolated.instructions.findIndex((i) => i.op === 'conv2d');
    expect(kindsAfter(isolated, (p) => (all(p), swap(p, conv, conv + 1)))).to.deep.equal([
      'unwritten',
    ]);
    const filter = isolated.instructions.findIndex((i) => i.op === 'conv2dBackwardFilter');
    const plants: ((p: Program) => void)[] = [
      // A gradient that nobody writes is read by the optimizer.
      (p) => (all(p), (p.instructions[filter]!.operands[3] = null)),
      // The first contribution must overwrite.
      (p) => (p.instructions[filter]!.operands[2]!.access = 'accumulate'),
      // Half of the channels only.
      (p) => (p.instructions[conv]!.operands[3]!.shape[3]! -= 10),
    ];
    for (const plant of plants) expect(kindsAfter(isolated, plant)).to.deep.equal(['unwritten']);
  });

  it('finds a channel range that was never written', () => {
    const nested = compileTraining(nestedConcat(), recipe);
    const pool = nested.instructions.findIndex((i) => i.op === 'maxPool2d');
    expect(kindsAfter(nested, (p) => (p.instructions[pool]!.operands[1]!.offset -= 4))).to.include(
      'unwritten',
    );
  });

  it('finds an output in the memory of an input where the op forbids it', () => {
    const conv = program.instructions.findIndex((i) => i.op === 'conv2d' && i.layer === 'fc1');
    expect(
      kindsAfter(program, (p) => {
        const [x, , , y] = p.instructions[conv]!.operands;
        x!.shape = [...y!.shape];
        x!.buffer = y!.buffer;
        x!.pitch = y!.pitch;
      }),
    ).to.include('alias');
    const relu = indexOf('reluBackward');
    // In place is allowed, shifted is not.
    expect(
      kindsAfter(program, (p) => (p.instructions[relu]!.operands[2]!.shape[1]! -= 1)),
    ).to.include('alias');
  });

  it('finds writes to what a phase may not change', () => {
    const conv = indexOf('conv2d');
    const plants: ((p: Program) => void)[] = [
      (p) => (p.instructions[indexOf('sgd')]!.phase = 'commit'),
      (p) => (p.instructions[indexOf('conv2dBackwardFilter')]!.phase = 'forward'),
      (p) => {
        const { operands } = p.instructions[conv]!;
        operands[3]!.buffer = p.inputs[0]!.buffer;
        operands[3]!.shape = [1, 10];
      },
    ];
    for (const plant of plants) expect(kindsAfter(program, plant)).to.include('region');
  });

  it('finds instructions out of order', () => {
    const plants: ((p: Program) => void)[] = [
      (p) => (p.ranges.backward[1] += 1),
      (p) => (p.ranges.forward[0] = 1),
      (p) => (p.ranges.update[1] -= 1),
      (p) => p.instructions.push(p.instructions.shift()!),
    ];
    for (const plant of plants) expect(kindsAfter(program, plant)).to.include('phase');
  });

  it('finds ports that are not what their buffers hold', () => {
    const plants: ((p: Program) => void)[] = [
      (p) => (p.inputs[0]!.shape[0] = 27),
      (p) => (p.inputs[0]!.buffer = p.outputs[0]!.buffer),
      (p) => (p.outputs[0]!.dtype = 'int32'),
      (p) => (buffer(p, 'loss.statistics').last -= 1),
      (p) => (p.parameters[0]!.offset += 4),
      (p) => (p.parameters[0]!.offset += p.bytes.parameters),
      (p) => (p.parameters[0]!.elements += 1),
      (p) => (p.outputs[0]!.buffer = 999),
    ];
    for (const plant of plants) expect(kindsAfter(program, plant)).to.include('port');
  });

  it('throws a typed error', () => {
    const broken = clone(program);
    broken.bytes.arena = 0;
    expect(() => assertSound(broken))
      .to.throw('not sound')
      .with.property('code', 'INVALID_FORMAT');
  });
});
