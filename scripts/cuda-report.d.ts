/** Warps that fit into a multiprocessor, as a share of the most that it holds. */
export function occupancy(arch: number, registers: number, shared: number): number;

/** What `ptxas -v` printed, one entry a kernel and architecture. */
export function parsePtxas(text: string): {
  symbol: string;
  arch: number;
  registers: number;
  /** Bytes, as the next two. */
  shared: number;
  stack: number;
  spilled: number;
}[];
