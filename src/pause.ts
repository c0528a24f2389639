/**
 * Lets this thread sleep between two looks at a condition; only for code that must be synchronous. The caller
 * bounds the number of looks.
 */
export function pause(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}
