export function findProgram(
  names: readonly string[],
  folders?: readonly string[],
): string | undefined;
export function programVersion(path: string, pattern?: RegExp): string | undefined;
export interface BuildTool {
  name: string;
  names: string[];
  debian: string;
}
export const buildTools: readonly BuildTool[];
export const installTools: string;
export function missingTools(): string | undefined;
