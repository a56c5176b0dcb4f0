import type { Network } from '../../graph/network.js';
import type { NetworkNode } from '../../graph/nodes.js';
import type { Shape } from '../../graph/shape.js';
import type { Summary } from '../summary.js';

/** Something about an architecture that the sizing rules of the CS231n notes advise against. */
export interface Finding {
  /** Which rule: `input-size`, `large-filter`, ... */
  readonly rule: string;
  /** `advice`: a rule of thumb, which many good networks break; `warning`: likely a mistake. */
  readonly level: 'advice' | 'warning';
  /** The layer; absent for what concerns the whole network. */
  readonly layer?: string;
  /** What is so, with its numbers. */
  readonly message: string;
  /** What would follow the rule. */
  readonly suggestion: string;
}

/** A network, prepared for the rules. */
export interface Subject {
  readonly network: Network;
  readonly summary: Summary;
  /** Nodes with windows over a volume, in order. */
  readonly convolutions: readonly WindowNode[];
  readonly poolings: readonly WindowNode[];
}

/** A node whose layer slides a window over a volume. */
export interface WindowNode {
  readonly node: NetworkNode;
  readonly input: Shape;
  readonly size: readonly [number, number];
  readonly stride: readonly [number, number];
  readonly dilation: readonly [number, number];
}

export type Rule = (subject: Subject) => readonly Finding[];
