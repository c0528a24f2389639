import assert from 'node:assert/strict';

const PATIENCE_MS = 15_000;

/** Looks until a condition holds; fails when it does not come to pass. */
export async function until(holds: () => boolean): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  while (!holds()) {
    assert.ok(performance.now() < deadline, 'it did not come to pass');
    // Between two looks, others get the processor.
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
