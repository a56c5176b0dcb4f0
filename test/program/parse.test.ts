import { expect } from 'chai';
import { compileEvaluation, compileTraining } from '../../lib/program/compile.js';
import { parseProgram } from '../../lib/program/parse.js';
import { clone, mixture, recipe } from './nets.js';

describe('parseProgram', () => {
  const program = compileTraining(mixture(), { ...recipe, inputDtype: 'uint8' });

  it('reads what JSON.stringify wrote', () => {
    expect(parseProgram(JSON.stringify(program))).to.deep.equal(program);
    expect(parseProgram(clone(program))).to.deep.equal(program);
    const external = compileTraining(mixture(), { ...recipe, loss: 'external' });
    expect(parseProgram(JSON.stringify(external))).to.deep.equal(external);
    const evaluate = compileEvaluation(mixture(), { ...recipe, layout: program });
    expect(parseProgram(JSON.stringify(evaluate))).to.deep.equal(evaluate);
  });

  it('refuses what is no program', () => {
    for (const bad of ['{', '', '[]', 'null', null, undefined, 7, [], {}, { version: 2 }])
      expect(() => parseProgram(bad))
        .to.throw()
        .with.property('code', 'INVALID_FORMAT');
  });

  it('refuses any field of a wrong type', () => {
    const values = [null, -1, 1.5, 'x', {}, [], true, Number.MAX_SAFE_INTEGER, 1e300];
    const walk = (node: unknown, path: (string | number)[]): (string | number)[][] => {
      if (typeof node !== 'object' || node === null) return [path];
      const entries = Array.isArray(node)
        ? node.slice(0, 2).map((v, i): [number, unknown] => [i, v])
        : Object.entries(node);
      return [path, ...entries.flatMap(([k, v]) => walk(v, [...path, k]))];
    };
    let accepted = 0;
    const paths = walk(program, []).filter((p) => p.length > 0);
    for (const path of paths)
      for (const value of values) {
        const changed = clone(program) as unknown as Record<string | number, unknown>;
        const last = path.at(-1)!;
        let at = changed;
        for (const key of path.slice(0, -1)) at = at[key] as typeof at;
        if (JSON.stringify(at[last]) === JSON.stringify(value)) continue;
        at[last] = value;
        try {
          parseProgram(changed);
          accepted++;
        } catch (error) {
          expect(error).to.have.property('code', 'INVALID_FORMAT', path.join('.'));
        }
      }
    // Names, labels and attributes may be others; structure may not.
    expect(accepted).to.be.below(paths.length);
  }).timeout(60_000);

  it('verifies what it read', () => {
    const broken = clone(program);
    const arena = broken.buffers.filter((b) => b.region === 'arena');
    const other = arena.find((b) => b !== arena[0] && b.first <= arena[0]!.last);
    other!.offset = arena[0]!.offset;
    expect(() => parseProgram(broken)).to.throw('not sound');
    const outside = clone(program);
    outside.constants[0]!.offset = 1e9;
    expect(() => parseProgram(outside)).to.throw('constants');
  });
});
