/**
 * Until the event loop has come round: signals are heard, and what has ended is known. Node's own promises of its timers are
 * a module that takes a millisecond to load.
 */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Until so many milliseconds are over. */
export function delay(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/**
 * Lets this thread sleep between two looks at a condition; only for code that must be synchronous. The caller
 * bounds the number of looks.
 */
export function pause(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}

/** CLOCK_MONOTONIC in milliseconds. Node's own `performance` is a module that loads all of its streams, on Node.js 18. */
export function now(): number {
  return Number(process.hrtime.bigint() / 1000n) / 1000;
}
