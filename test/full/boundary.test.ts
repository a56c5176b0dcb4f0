import { expect } from 'chai';
import { CountedProcess } from '../support/counted.js';

describe('what is asked of the operating system: the zoo at reduced size', function () {
  this.timeout(600_000);
  let counted: CountedProcess;
  before(function () {
    counted = new CountedProcess(this);
  });
  after(() => {
    counted?.dispose();
  });

  for (const network of [
    ...['lenet', 'resnet20', 'alexnet', 'vgg11', 'vgg16', 'googlenet', 'googlenet-bn'],
    ...['resnet18', 'resnet50', 'squeezenet', 'mobilenet'],
  ])
    for (const batch of [1, 3, 16])
      it(`${network}, batch ${batch}`, () => {
        for (const { kind, planned, asked } of counted.account(network, batch))
          expect(asked, kind).to.be.within(planned - 1e6, planned + 1e6);
      });
});
