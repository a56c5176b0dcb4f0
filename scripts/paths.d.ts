export const packageRoot: string;
export const version: string;
export const isClone: boolean;
export function sourceHash(): string;
export function cudaSourceHash(emulated?: boolean): string;
export function platformName(): string;
export function cacheFolder(): string;
export const packageAddon: string;
export interface AddonCandidate {
  /** 'STRIATE_ADDON', 'package', the platform package's name, or 'cache'. */
  from: string;
  path: string | undefined;
}
export function addonCandidates(): AddonCandidate[];
export function cudaCandidates(emulated?: boolean): AddonCandidate[];
export function probeBeside(library: string): string;
