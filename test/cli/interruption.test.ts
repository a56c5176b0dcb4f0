import { expect } from 'chai';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { start, type Running } from '../support/striate.js';

const module = fileURLToPath(new URL('../../lib/cli/interruption.ts', import.meta.url));

/** A process that would work for a minute after the first signal. */
function startWorker(): Running {
  const script = `import { Interruption } from ${JSON.stringify(module)};
    const interruption = new Interruption((name) => process.stderr.write('first ' + name));
    setTimeout(() => {}, 60_000);
    process.stderr.write('ready');`;
  return start(process.execPath, ['--import=tsx', '--input-type=module', '-e', script], {});
}

describe('cli: interruption', () => {
  it('a second signal exits at once, with its own code', async () => {
    const worker = startWorker();
    await worker.says('ready');
    worker.child.kill('SIGINT');
    await worker.says('first SIGINT');
    await sleep(400);
    worker.child.kill('SIGTERM');
    expect((await worker.ended).code).to.equal(143);
  });

  it('two signals of one key press count as one', async () => {
    const worker = startWorker();
    await worker.says('ready');
    worker.child.kill('SIGINT');
    await worker.says('first SIGINT');
    worker.child.kill('SIGINT');
    await sleep(400);
    expect(worker.child.exitCode).to.equal(null);
    worker.child.kill('SIGINT');
    expect((await worker.ended).code).to.equal(130);
  });
});
