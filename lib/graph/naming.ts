import type { Layer } from './layer.js';
import { inScope } from './names.js';
import { invalid } from './options.js';
import type { Value } from './value.js';

/**
 * Names for the nodes of a network: those given by the user, and `<prefix><number>` for the others,
 * numbered within their scope in the order of making. Applications of one layer share its name when it
 * has parameters, since the name says whose they are; otherwise each has its own.
 *
 * @throws StriateError INVALID_ARGUMENT for two layers of one name.
 */
export function nameNodes(values: readonly Value[]): string[] {
  const taken = takeGivenNames(values);
  const named = new Map<Layer, string>();
  const counts = new Map<string, number>();
  const next = (stem: string): string => {
    for (;;) {
      const count = (counts.get(stem) ?? 0) + 1;
      counts.set(stem, count);
      const name = `${stem}${count}`;
      if (!taken.has(name)) {
        taken.add(name);
        return name;
      }
    }
  };
  return values.map(({ layer, name }) => {
    if (layer === null) return name ?? next('input');
    const known = named.get(layer);
    if (known !== undefined) {
      if (layer.definition.parameters !== undefined) return known;
      return next(layer.givenName === undefined ? autoStem(layer) : `${known}_`);
    }
    const fresh = layer.givenName ?? next(autoStem(layer));
    named.set(layer, fresh);
    return fresh;
  });
}

function autoStem({ scope, definition }: Layer): string {
  return inScope(scope, definition.prefix);
}

function takeGivenNames(values: readonly Value[]): Set<string> {
  const owners = new Map<string, Value | Layer>();
  for (const value of values) {
    const owner = value.layer ?? value;
    const name = value.layer === null ? value.name : value.layer.givenName;
    if (name === undefined) continue;
    if (owners.has(name) && owners.get(name) !== owner) {
      throw invalid(
        `two layers are named '${name}'`,
        'Names are unique; leave one out to have it numbered.',
      );
    }
    owners.set(name, owner);
  }
  return new Set(owners.keys());
}
