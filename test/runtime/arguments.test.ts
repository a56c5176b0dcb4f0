// Wrong arguments to every method of the addon: an error with a code each time, never a crash.
import { expect } from 'chai';
import { addon } from '../../lib/runtime/addon.js';
import type { NativeBuffer, NativeDevice, NativeExecutable } from '../../typings/native.js';
import {
  control,
  nativeCode,
  openNative,
  relu,
  reluAttributes,
  reluProgram,
  runOf,
  vector,
} from './native.js';

type Method = (...args: unknown[]) => unknown;

const detached = (): Float32Array => {
  const view = new Float32Array(16);
  structuredClone(view.buffer, { transfer: [view.buffer] });
  return view;
};

const hostile = (): unknown[] => [
  undefined,
  null,
  true,
  NaN,
  -1,
  0.5,
  Infinity,
  2 ** 53,
  2 ** 31,
  '',
  'x'.repeat(5000),
  10n,
  Symbol('s'),
  {},
  [],
  [null, undefined, {}],
  () => 1,
  new Date(),
  new Proxy(
    {},
    {
      get: () => {
        throw new Error('trap');
      },
    },
  ),
  new ArrayBuffer(8),
  new Uint8Array(0),
  new Float32Array(3),
  new DataView(new ArrayBuffer(4), 1),
  detached(),
  new Uint8Array(new SharedArrayBuffer(16)),
];

/** A small generator of its own, so that a failure repeats. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

describe('arguments of the addon', () => {
  let device: NativeDevice;
  let buffer: NativeBuffer;
  let executable: NativeExecutable;
  let objects: Record<string, object>;
  before(() => {
    device = openNative(2 ** 30);
    buffer = device.allocate(256, 'tensors');
    executable = reluProgram(device).executable;
    objects = { device, buffer, executable, addon: addon() };
  });
  after(() => device.close());

  const methodsOf = (object: object): string[] => {
    const owner = Object.hasOwn(object, 'createDevice')
      ? object
      : (Object.getPrototypeOf(object) as object);
    return Object.getOwnPropertyNames(owner).filter(
      (name) =>
        name !== 'constructor' &&
        typeof Object.getOwnPropertyDescriptor(owner, name)!.value === 'function',
    );
  };
  /** Methods that need no arguments, and end what the others need. */
  const harmless = new Set([
    'close',
    'dispose',
    'info',
    'memory',
    'synchronize',
    'describeOps',
    'describeCpu',
  ]);

  it('are checked one at a time', async () => {
    let calls = 0;
    for (const [owner, object] of Object.entries(objects)) {
      for (const method of methodsOf(object)) {
        if (harmless.has(method)) continue;
        for (const value of hostile()) {
          for (const args of [
            [value],
            [value, value],
            [0, value],
            [0, 0, value],
            [0, value, value, value],
          ]) {
            ++calls;
            const code = await nativeCode(() =>
              (object as Record<string, Method>)[method]!(...args),
            );
            // A few are in order (a fill of nothing); all others say what is wrong.
            if (code !== undefined)
              expect(code, `${owner}.${method}`).to.match(
                /^(INVALID_ARGUMENT|INVALID_SHAPE|OUT_OF_DEVICE_MEMORY|DEVICE_UNAVAILABLE|no code: Error: trap)$/,
              );
          }
        }
      }
    }
    expect(calls).to.be.above(800);
  });

  it('are checked in every field of the descriptions', async () => {
    const { description } = reluProgram(device);
    const roots: [string, object, (value: never) => unknown][] = [
      ['run', runOf(2), (value) => executable.run(value)],
      ['executable', description, (value) => device.createExecutable(value)],
      [
        'operands',
        [vector(buffer, 8, 1), vector(device.allocate(64, 'tensors'), 8, 2)],
        (value) => device.execute(relu.number, reluAttributes, value, control),
      ],
      [
        'device',
        { kind: 'cpu', threads: 1, instructionSet: 'best', memoryLimit: 0 },
        (value) => addon().createDevice(value),
      ],
    ];
    for (const [name, root, call] of roots) {
      for (const path of pathsOf(root)) {
        for (const value of hostile()) {
          const code = await nativeCode(() => call(replaced(root, path, value) as never));
          if (code !== undefined)
            expect(code, `${name}.${path.join('.')}`).to.match(
              /^(INVALID_ARGUMENT|INVALID_SHAPE|OUT_OF_DEVICE_MEMORY|DEVICE_UNAVAILABLE|no code: Error: trap)$/,
            );
        }
      }
    }
  });

  it('are checked when many are wrong at once', async () => {
    const next = random(1);
    const { description } = reluProgram(device);
    const paths = pathsOf(description);
    const values = [0, 1, 2, 3, 7, 16, 64, 256, 1e6, 2 ** 31, 2 ** 40, 2 ** 53 - 1, -1, null, true];
    for (let i = 0; i < 3000; ++i) {
      let changed: unknown = description;
      for (let k = 0; k < 3; ++k)
        changed = replaced(
          changed as object,
          paths[Math.floor(next() * paths.length)]!,
          values[Math.floor(next() * values.length)],
        );
      await nativeCode(async () => {
        const made = device.createExecutable(changed as never);
        await made.run(runOf(1 + Math.floor(next() * 4)));
      });
    }
    expect(device.closed).to.equal(false);
  });

  it('of every op are checked: random views and attributes', async () => {
    const next = random(2);
    const pick = <T>(items: readonly T[]): T => items[Math.floor(next() * items.length)]!;
    const memory = device.allocate(1 << 16, 'tensors');
    const ops = addon().describeOps();
    let ran = 0;
    for (let i = 0; i < 6000; ++i) {
      const number = i % ops.length;
      const op = ops[number]!;
      // The segments of an optimizer are data of the compiler's, not arguments.
      if (op.operands.some(({ name }) => name === 'segments')) continue;
      const attributes = new DataView(new ArrayBuffer(op.attributesSize));
      for (const { type, offset } of op.attributes) {
        const value = pick([0, 1, 1, 1, 2, 3, -1, 255, 2 ** 31 - 1]);
        if (type === 'int32') attributes.setInt32(offset, value, true);
        else if (type === 'float32') attributes.setFloat32(offset, value, true);
        else if (type === 'float64') attributes.setFloat64(offset, value, true);
        else attributes.setBigInt64(offset, BigInt(value), true);
      }
      const rank = pick([0, 1, 2, 4, 4]);
      const size = Array.from({ length: rank }, () => pick([1, 2, 3, 4]));
      const operands = op.operands.map(({ name, role, optional }) => {
        if (optional && next() < 0.3) return null;
        const own =
          next() < 0.7
            ? size
            : Array.from({ length: pick([0, 1, 2, 4]) }, () => pick([1, 2, 3, 4]));
        const shape = name === 'workspace' ? [pick([64, 4096, 32768])] : own;
        return {
          buffer: memory,
          byteOffset: 8 * Math.floor(next() * 64),
          dtype:
            name === 'workspace' || (name === 'switches' && next() < 0.7)
              ? 2
              : pick([0, 0, 0, 1, 2, 3]),
          access: role === 'in' ? 1 : pick([2, 3]),
          size: shape,
          pitch: (shape.at(-1) ?? 1) + pick([0, 0, 1]),
        };
      });
      const code = await nativeCode(() =>
        device.execute(number, new Uint8Array(attributes.buffer), operands as never, control),
      );
      if (code === undefined) ++ran;
      else expect(code, op.name).to.match(/^INVALID_(ARGUMENT|SHAPE)$/);
    }
    expect(ran, 'calls that were in order').to.be.above(50);
  });

  it('cannot make objects of the addon, nor borrow their methods', async () => {
    for (const object of [device, buffer, executable]) {
      const Class = object.constructor as new (...args: unknown[]) => object;
      expect(() => new Class()).to.throw(/made by the addon only/);
      expect(() => new Class(object)).to.throw();
      expect(() => new (class extends Class {})()).to.throw();
      const prototype = Object.getPrototypeOf(object) as Record<string, Method>;
      for (const other of [{}, device, buffer, executable, Object.create(prototype)]) {
        if (other === object) continue;
        for (const method of methodsOf(object))
          expect(
            await nativeCode(() => Reflect.apply(prototype[method]!, other, [0, 0, 0, 0])),
          ).to.be.a('string');
      }
    }
    expect(
      await nativeCode(() =>
        device.execute(
          relu.number,
          reluAttributes,
          [vector(executable as never, 4, 1), vector(Object.create(buffer) as never, 4, 2)],
          control,
        ),
      ),
    ).to.equal('INVALID_ARGUMENT');
  });

  it('refuse memory of another device', async () => {
    const other = openNative();
    const foreign = other.allocate(64, 'tensors');
    expect(
      await nativeCode(() =>
        device.execute(
          relu.number,
          reluAttributes,
          [vector(foreign, 4, 1), vector(buffer, 4, 2)],
          control,
        ),
      ),
    ).to.equal('INVALID_ARGUMENT');
    await other.close();
    expect(await nativeCode(() => foreign.write(0, new Uint8Array(4)))).to.equal('DISPOSED');
    expect(await nativeCode(() => other.allocate(1, 'x'))).to.equal('DISPOSED');
    expect(await nativeCode(() => other.info())).to.equal('DISPOSED');
    expect(await nativeCode(() => other.synchronize())).to.equal('DISPOSED');
    await other.close();
    foreign.dispose();
  });

  it('keep ranges of a buffer', async () => {
    for (const [offset, length] of [
      [0, 257],
      [256, 1],
      [2 ** 53 - 1, 2 ** 53 - 1],
      [-1, 1],
      [0, -1],
      [0.5, 1],
    ] as const) {
      expect(await nativeCode(() => buffer.read(offset, length))).to.equal('INVALID_ARGUMENT');
      expect(await nativeCode(() => buffer.readSync(offset, length))).to.equal('INVALID_ARGUMENT');
      expect(await nativeCode(() => buffer.fill(offset, length, 0))).to.equal('INVALID_ARGUMENT');
    }
    await buffer.fill(0, 256, 7);
    await buffer.write(1, Uint8Array.of(1, 2));
    await buffer.write(4, new DataView(Uint8Array.of(9, 8, 3).buffer, 2));
    expect([...new Uint8Array(await buffer.read(0, 6))]).to.deep.equal([7, 1, 2, 7, 3, 7]);
    expect((await buffer.read(256, 0)).byteLength).to.equal(0);
    expect(buffer.readSync(3, 0).byteLength).to.equal(0);
  });
});

function isPlain(value: unknown): value is Record<string, unknown> {
  return (
    Array.isArray(value) ||
    (typeof value === 'object' &&
      value !== null &&
      Object.getPrototypeOf(value) === Object.prototype)
  );
}

function pathsOf(root: object): string[][] {
  return Object.entries(root).flatMap(([key, value]) => [
    [key],
    ...(isPlain(value) ? pathsOf(value).map((rest) => [key, ...rest]) : []),
  ]);
}

/** A copy of `root` with one value replaced; as it is where the path is gone. */
function replaced(root: object, [key, ...rest]: string[], value: unknown): object {
  const copy = (Array.isArray(root) ? [...(root as unknown[])] : { ...root }) as Record<
    string,
    unknown
  >;
  const old = copy[key!];
  copy[key!] = rest.length === 0 ? value : isPlain(old) ? replaced(old, rest, value) : old;
  return copy;
}
