import type { MachineState } from './state.ts';

/**
 * Processes are told that a device is gone from its nodes; those that let go of it do so in their own time. A halted
 * one hears it when it goes on, which nobody lets it here.
 */
export function disconnectNodes(state: MachineState, uid: number): void {
  const holders = new Set(state.opens.filter((open) => open.uid === uid).map(({ pid }) => pid));
  for (const { pid, letsGoMs, halted } of state.processes) {
    if (letsGoMs === undefined || halted || !holders.has(pid)) continue;
    state.schedule.push({ at: state.clock + letsGoMs, operation: { do: 'close-nodes', pid, uid } });
  }
}

/** A process closes what it has open of a device. */
export function closeNodes(state: MachineState, pid: number, uid: number): void {
  state.opens = state.opens.filter((open) => open.pid !== pid || open.uid !== uid);
}
