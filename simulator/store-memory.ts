import { setImmediate as turn } from 'node:timers/promises';
import { catchUp } from './operations.ts';
import type { MachineState } from './state.ts';
import type { Store } from './store.ts';

/**
 * A machine within this process. Its time is real, except that a pause takes none: the clock jumps ahead, so
 * that a test of a write that hangs for thirty seconds ends at once. Of several pauses the one that is over first ends
 * first, and their times are not added up: whoever pauses side by side waits for the same clock.
 */
export function memoryStore(initial: MachineState): Store {
  let state = initial;
  const origin = performance.now();
  let skipped = initial.clock;
  const ends: number[] = [];
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
      const end = now() + ms;
      ends.push(end);
      do await turn();
      while (Math.min(...ends) < end);
      ends.splice(ends.indexOf(end), 1);
      skipped += Math.max(0, end - now());
    },
  };
}
