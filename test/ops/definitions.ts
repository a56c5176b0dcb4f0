// Every op that TypeScript defines: layers, losses, optimizers, and those of the compiler itself.
import '../../lib/layers/index.js';
import '../../lib/losses/index.js';
import '../../lib/optimizers/index.js';
import '../../lib/program/check-finite.js';
import '../../lib/program/copy.js';
import '../../lib/program/loss-scale.js';
import '../../lib/program/normalize.js';

export { findOp, listOps } from '../../lib/program/op.js';
