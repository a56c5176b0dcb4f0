// What the kernels move on the shapes of VGG-16, ResNet-50 and of the networks with other layers, as the emulator
// counts it.
import { expect } from 'chai';
import '../ops/definitions.js';
import { native, Runner } from '../ops/run.js';
import { emulatedLibrary } from '../cuda/emulated.js';
import { inBFloat16, resnet50, vgg16, type Work } from '../cuda/layers.js';
import { otherLayers } from '../cuda/other-layers.js';
import { excesses, measure, type Measured } from '../cuda/traffic.js';

describe('memory traffic on cuda:emulated', function () {
  this.timeout(300_000);
  let library = '';
  before(function () {
    library = emulatedLibrary(this);
  });

  /** One convolution, pool, normalisation and sum of each kind. */
  const few = (works: readonly Work[]): Work[] => {
    const chosen = /pool[15]|conv3_1|stage[35] block1|dropout|images/;
    return inBFloat16(works.filter(({ layer }) => chosen.test(layer)));
  };
  it('every op is measured', () => {
    const measured = new Set([...vgg16(), ...resnet50(), ...otherLayers()].map(({ op }) => op));
    const missing = native.describeOps().filter(({ name }) => !measured.has(name));
    expect(missing.map(({ name }) => name)).to.deep.equal([]);
  });

  for (const [name, network] of [
    ['VGG-16', vgg16],
    ['ResNet-50', resnet50],
    ['both in bfloat16', () => few([...vgg16(), ...resnet50()])],
    ['the layers that they do not have', otherLayers],
  ] as const) {
    it(name, async () => {
      const runner = Runner.openPlugin(library);
      const wrong: string[] = [];
      const apart: Measured[] = [];
      try {
        for (const work of network()) {
          const kernels = await measure(runner, work);
          if (work.threeChannels) apart.push(...kernels);
          else wrong.push(...excesses(work, kernels));
        }
      } finally {
        await runner.close();
      }
      for (const { layer, op, kernel, coalescing, reread } of apart)
        console.log(
          `      three channels: ${layer} ${op}, ${kernel}: coalescing ${coalescing.toFixed(2)}, sectors read ${reread.toFixed(2)}`,
        );
      expect(wrong.join('\n')).to.equal('');
    });
  }
});
