export function findNvcc(): string | undefined;
export function buildCuda(options?: {
  /** Architectures: `'80,90'`; default: those of the GPUs that are present, else 80. */
  arch?: string;
  force?: boolean;
  log?: (line: string) => void;
}): Promise<{ path: string; built: boolean; seconds: number; architectures: string[] }>;
export function cudaBuildError(): string | undefined;
