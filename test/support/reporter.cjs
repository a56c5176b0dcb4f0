/**
 * Mocha's spec reporter with closing lines that a program can read: one line for each skipped group
 * with what enables it, then `N passed, N failed, N skipped`.
 */
const { reporters, Runner } = require('mocha');

/** Filled by `skipGroup` (test/support/skip.ts): name of the group, and what enables it. */
const groups = () => globalThis[Symbol.for('striate.skipped')] ?? new Map();

module.exports = class ClosingLines extends reporters.Spec {
  constructor(runner, options) {
    super(runner, options);
    const pending = new Map();
    runner.on(Runner.constants.EVENT_TEST_PENDING, (test) => {
      const group = test.parent.fullTitle();
      pending.set(group, (pending.get(group) ?? 0) + 1);
    });
    runner.once(Runner.constants.EVENT_RUN_END, () => {
      for (const [group, count] of pending) {
        const remedy = groups().get(group) ?? 'switched off in the test file';
        console.log(`skipped: ${group} (${count}): ${remedy}`);
      }
      const { passes, failures, pending: skipped } = runner.stats;
      console.log(`${passes} passed, ${failures} failed, ${skipped} skipped`);
    });
  }
};
