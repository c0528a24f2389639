import type { LockPlace } from '../../../src/engine/lock.ts';

/** A place for locks without an engine and without claims. Told of waiting as the log is. */
export function lockPlace(
  stateDirectory: string,
  onWait: (sentence: string) => void = () => undefined,
): LockPlace {
  return {
    stateDirectory,
    trustedUid: process.getuid?.() ?? 0,
    host: { now: () => performance.now() },
    log: {
      write: ({ message }) => {
        onWait(message);
      },
    },
    store: { one: () => ({ claims: [], damaged: [], outdated: [] }) },
  };
}
