import type { MachineState } from './state.ts';

/** Where a machine's state lives, and what time it is there. */
export interface Store {
  /** Looks at the state. What is given to `look` must not be changed or kept. */
  read<T>(look: (state: MachineState) => T): T;
  /**
   * Changes the state, alone: nobody sees it half changed, nobody else changes it meanwhile. The clock is set
   * to now before and everything that became due has happened. When `change` throws, nothing is kept.
   */
  update<T>(change: (state: MachineState) => T): T;
  /** Monotonic milliseconds. */
  now(): number;
  /** Lets this much time pass. */
  pause(ms: number): Promise<void>;
}
