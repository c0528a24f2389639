import { catchUp } from './operations.ts';
import type { MachineState } from './state.ts';
import type { Store } from './store.ts';

/**
 * A machine within this process. Its time is real, except that a pause takes none: the clock jumps ahead, so
 * that a test of a write that hangs for thirty seconds ends at once.
 */
export function memoryStore(initial: MachineState): Store {
  let state = initial;
  const origin = performance.now();
  let skipped = initial.clock;
  const now = (): number => performance.now() - origin + skipped;
  return {
    read: (look) => look(state),
    update: (change) => {
      const draft = structuredClone(state);
      catchUp(draft, now());
      const result = change(draft);
      state = draft;
      return result;
    },
    now,
    pause: async (ms) => {
      skipped += ms;
      await new Promise<void>((resolve) => {
        setImmediate(resolve);
      });
    },
  };
}
