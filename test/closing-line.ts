/**
 * Prints the plain closing line `N passed, N failed` after mocha's own summary, so that the count can be
 * read by people and by machines that do not know mocha.
 */
let passed = 0;
let failed = 0;
let skipped = 0;
/** mocha calls the teardown twice when it runs the tests in a process of their own. */
let announced = false;

export const mochaHooks = {
  afterEach(this: Mocha.Context): void {
    if (this.currentTest?.state === 'passed') passed += 1;
    else if (this.currentTest?.state === 'failed') failed += 1;
    else skipped += 1;
  },
};

export function mochaGlobalTeardown(): void {
  if (announced) return;
  announced = true;
  // Written when the process ends, so that it comes after the reporter's summary.
  process.once('exit', () => {
    const skips = skipped > 0 ? `, ${skipped} skipped` : '';
    process.stdout.write(`\n${passed} passed, ${failed} failed${skips}\n`);
  });
}
