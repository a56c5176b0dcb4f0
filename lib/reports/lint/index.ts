import type { Network } from '../../graph/network.js';
import { heavyDense, heavyFirstLayers, linearStack } from './costs.js';
import type { Finding, Rule } from './finding.js';
import {
  convolutionStride,
  destructivePooling,
  inputSize,
  largeFilter,
  looseWindows,
  samePadding,
} from './sizes.js';
import { subjectOf } from './subject.js';

export type { Finding } from './finding.js';

const rules: readonly Rule[] = [
  inputSize,
  largeFilter,
  samePadding,
  convolutionStride,
  destructivePooling,
  looseWindows,
  heavyFirstLayers,
  heavyDense,
  linearStack,
];

/**
 * What the sizing rules of the CS231n notes ("Layer Sizing Patterns") say of an architecture: rule by rule,
 * in the order of the layers. Most are advice, which good networks break on purpose.
 */
export function lint(network: Network): Finding[] {
  const subject = subjectOf(network);
  return rules.flatMap((rule) => [...rule(subject)]);
}

/** The findings as text: those of one rule and suggestion together. */
export function printFindings(findings: readonly Finding[]): string {
  if (findings.length === 0) return 'Nothing to advise: the architecture follows the sizing rules.';
  return findings
    .map(({ rule, level, layer, message, suggestion }) =>
      [`${level}  ${layer ?? 'network'}: ${message} (${rule})`, `        ${suggestion}`].join('\n'),
    )
    .join('\n');
}
