import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { addonCandidates, packageRoot, sourceHash, version } from '../../scripts/paths.js';
import type { NativeAddon } from '../../typings/native.js';
import { StriateError } from '../errors.js';

/** One place where the addon was looked for, and why it was not taken. */
export interface AddonAttempt {
  /** 'STRIATE_ADDON', 'package', the platform package's name, or 'cache'. */
  from: string;
  path: string | undefined;
  reason: string;
  /** The file is an addon, but of other sources or of another version. */
  mismatch: boolean;
}

export interface AddonSearch {
  addon: NativeAddon | undefined;
  /** Where the addon was found. */
  from: string | undefined;
  path: string | undefined;
  /** The places before it, in order. */
  refused: AddonAttempt[];
}

const require = createRequire(import.meta.url);
let found: AddonSearch | undefined;

/**
 * The native addon, loaded at the first call.
 *
 * @throws StriateError NATIVE_ADDON_MISSING with every path and its reason, or NATIVE_ADDON_MISMATCH
 * when what was found belongs to other sources.
 */
export function addon(): NativeAddon {
  const search = findAddon();
  if (search.addon !== undefined) return search.addon;
  const mismatch = search.refused.some((attempt) => attempt.mismatch);
  const places = search.refused.map(
    ({ from, path, reason }) => `  ${from}${path === undefined ? '' : ` (${path})`}: ${reason}`,
  );
  throw new StriateError(
    mismatch ? 'NATIVE_ADDON_MISMATCH' : 'NATIVE_ADDON_MISSING',
    [
      mismatch
        ? 'the native addon was built from other sources; looked in'
        : 'the native addon was not found; looked in',
      ...places,
    ].join('\n'),
    { remedy: 'Run `npx striate build`.', details: { refused: search.refused } },
  );
}

/** Looks for the addon; asks again after a failure, so that a build in between is seen. */
export function findAddon(): AddonSearch {
  if (found !== undefined) return found;
  const refused: AddonAttempt[] = [];
  for (const candidate of addonCandidates()) {
    const { from } = candidate;
    const path = from === 'package' ? packageBuild(candidate.path) : candidate.path;
    const attempt = tryAddon(from, path);
    if (typeof attempt === 'object' && 'reason' in attempt) refused.push(attempt);
    else {
      found = { addon: attempt, from, path, refused };
      return found;
    }
  }
  return { addon: undefined, from: undefined, path: undefined, refused };
}

/** What a build in the package's folder made, by the search of `bindings`. */
function packageBuild(usual: string | undefined): string | undefined {
  try {
    const bindings = require('bindings') as (options: object) => string;
    return bindings({ bindings: 'striate', module_root: packageRoot, path: true });
  } catch {
    return usual;
  }
}

function tryAddon(from: string, path: string | undefined): NativeAddon | AddonAttempt {
  const refuse = (reason: string, mismatch = false): AddonAttempt => ({
    from,
    path,
    reason,
    mismatch,
  });
  if (path === undefined) return refuse('not installed');
  if (!existsSync(path)) return refuse('no such file');
  let loaded: NativeAddon;
  try {
    loaded = require(path) as NativeAddon;
  } catch (error) {
    return refuse(error instanceof Error ? error.message.split('\n')[0]! : String(error));
  }
  if (typeof loaded?.createDevice !== 'function') return refuse('is not the addon of striate');
  // A build by plain CMake does not know what it was made from; who names it by hand knows.
  if (from === 'STRIATE_ADDON' && loaded.version === '' && loaded.sourceHash === '') return loaded;
  if (loaded.version !== version)
    return refuse(`is of version ${loaded.version || 'unknown'}, the package of ${version}`, true);
  if (loaded.sourceHash !== sourceHash())
    return refuse(
      `was built from other sources: ${loaded.sourceHash || 'unknown'}, not ${sourceHash()}`,
      true,
    );
  return loaded;
}
