'use strict';

const process = require('node:process');
const { reporters, Runner } = require('mocha');

/**
 * mocha's own reporter, and behind its summary the plain closing line `N passed, N failed`, so that the count can be read by
 * people and by machines that do not know mocha. As a reporter, since that is what hears of the tests of all processes.
 */
module.exports = class extends reporters.Spec {
  constructor(runner, options) {
    super(runner, options);
    const { stats } = runner;
    runner.once(Runner.constants.EVENT_RUN_END, () => {
      // Written when the process ends, so that it comes after the summary.
      process.once('exit', () => {
        const skipped = stats.pending > 0 ? `, ${stats.pending} skipped` : '';
        process.stdout.write(`\n${stats.passes} passed, ${stats.failures} failed${skipped}\n`);
      });
    });
  }
};
