export class BuildError extends Error {
  readonly code: 'BUILD_FAILED';
  readonly remedy: string;
  readonly log: string | undefined;
}
export interface AddonInspection {
  version?: string;
  sourceHash?: string;
  /** Why it does not load. */
  reason?: string;
}
export function inspectAddon(path: string): AddonInspection;
export function isCurrent(path: string): boolean;
export function buildTarget(): string;
export function build(options?: {
  force?: boolean;
  log?: (line: string) => void;
}): Promise<{ path: string; built: boolean; seconds: number }>;
