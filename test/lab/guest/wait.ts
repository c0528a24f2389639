import { setTimeout as pause } from 'node:timers/promises';

/** Waits until the condition gives a value. @throws Error that names what was waited for, past the limit in seconds */
export async function waitFor<T>(
  what: string,
  limit: number,
  condition: () => Promise<T | undefined> | T | undefined,
): Promise<T> {
  const deadline = performance.now() + limit * 1000;
  for (;;) {
    const value = await condition();
    if (value !== undefined && value !== false) return value;
    if (performance.now() > deadline) throw new Error(`waited ${limit} s in vain for ${what}`);
    await pause(100);
  }
}
