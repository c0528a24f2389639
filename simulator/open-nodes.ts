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

/**
 * The module that an open of a node is a use of: that of the driver, but for the nodes that another module serves
 * (src/pci/open-counts.ts has the sources).
 */
export function servingModule(
  state: MachineState,
  driver: string | undefined,
  path: string,
): string | undefined {
  const shared = /^\/dev\/(nvidia-uvm|nvidia-modeset|nvidiactl)/.exec(path)?.[1];
  if (shared !== undefined) return shared === 'nvidiactl' ? 'nvidia' : shared.replace('-', '_');
  if (driver === undefined) return undefined;
  if (driver === 'nvidia' && path.startsWith('/dev/dri/')) return 'nvidia_drm';
  if (path.startsWith('/dev/nvme')) return 'nvme_core';
  // Disks, keyboards and the like are served by modules of their own kind, not of the controller.
  return /^\/dev\/(?:dri\/|fb\d|snd\/(?!compr)|nvidia\d)/.test(path)
    ? state.drivers[driver]?.spec.module
    : undefined;
}
