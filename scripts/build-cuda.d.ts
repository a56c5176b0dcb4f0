export function findNvcc(): string | undefined;
export function buildCuda(options?: {
  /** Architectures: `'80,90'`; default: those of the GPUs that are present, else 80. */
  arch?: string;
  force?: boolean;
  /** Folder of objects and log; default: that of the addon's build. */
  root?: string;
  log?: (line: string) => void;
}): Promise<{ path: string; built: boolean; seconds: number; architectures: string[] }>;
export function cudaBuildError(root?: string): string | undefined;
