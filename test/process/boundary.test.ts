import { expect } from 'chai';
import { CountedProcess } from '../support/counted.js';

describe('what is asked of the operating system', function () {
  this.timeout(300_000);
  let counted: CountedProcess;
  before(function () {
    counted = new CountedProcess(this);
  });
  after(() => {
    counted?.dispose();
  });

  // Packing buffers and the threads' scratch included. test/full has the others.
  for (const [network, batch] of [
    ['lenet', 16],
    ['resnet20', 3],
  ] as const)
    it(`is what the plan says, to 1 MB: ${network}, batch ${batch}`, () => {
      for (const { kind, planned, asked, most } of counted.account(network, batch)) {
        expect(asked, kind).to.be.within(planned - 1e6, planned + 1e6);
        expect(most, kind).to.be.at.most(planned + 1e6 + 2 ** 21);
      }
    });

  it('may be refused at any block: a typed error, nothing leaked, the next smaller batch runs', () => {
    const refusals = counted.faults();
    expect(refusals.length).to.be.above(8);
    const last = refusals.pop();
    expect(last).to.include({ failed: 0, code: null });
    for (const { n, failed, code, left } of refusals) {
      expect({ failed, code }, `block ${n}`).to.deep.equal({
        failed: 1,
        code: 'OUT_OF_DEVICE_MEMORY',
      });
      // Handles that the collector has not yet seen.
      expect(left, `block ${n}`).to.be.within(-65_536, 65_536);
    }
  });
});
