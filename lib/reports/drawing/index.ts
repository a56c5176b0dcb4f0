import { invalid } from '../../graph/options.js';
import type { Network } from '../../graph/network.js';
import { drawGraph } from './graph.js';
import { stagesOf, type Stage } from './stages.js';
import { drawVolumes } from './volumes.js';

export interface DrawOptions {
  /**
   * `volumes`: boxes to scale from left to right, for networks without branches. `graph`: layers and
   * arrows. Default: volumes where there are no branches.
   */
  style?: 'volumes' | 'graph';
  /** What the picture is called. */
  title?: string;
}

/**
 * A picture of a network, as the text of an SVG file.
 *
 * @throws StriateError INVALID_ARGUMENT for a style that is unknown, or volumes of a network with branches.
 */
export async function draw(network: Network, options: DrawOptions = {}): Promise<string> {
  const stages = stagesOf(network);
  const branches = stages.some(
    ({ inputs }, i) => i > 0 && (inputs.length !== 1 || inputs[0] !== i - 1),
  );
  const { style = branches ? 'graph' : 'volumes', title = 'A network' } = options;
  if (style === 'graph') return drawGraph(stages, title);
  if ((style as string) !== 'volumes')
    throw invalid(`style is '${style as string}'`, "Give 'volumes' or 'graph'.");
  if (branches)
    throw invalid(
      'the network has branches, which volumes in a row do not show',
      "Use the style 'graph'.",
    );
  return drawVolumes(volumesOf(stages), title);
}

/** Layers that give another form to the same numbers are no volume of their own. */
function volumesOf(stages: readonly Stage[]): readonly Stage[] {
  return stages.filter(({ kinds: [kind] }) => kind !== 'flatten' && kind !== 'reshape');
}
