import type { SystemdUnit } from '../src/host/host.ts';
import { unmapPages } from './hugepages.ts';
import type { ProcessSpec, TcpSession } from './spec.ts';
import type { MachineState, Process } from './state.ts';
import { closeGroups } from './vfio.ts';
import { sharedNodes } from './view-nvidia.ts';
import { isDaemon } from './nvidia.ts';
import { servingModule } from './open-nodes.ts';
import { nodesOf } from './view-system.ts';

/** What may be said of a process besides its name. */
export interface ProcessFacts extends Partial<Pick<Process, 'program' | 'halted' | 'letsGoMs' | 'endsMs'>> {
  readonly guest?: string | undefined;
  readonly pid?: number | undefined;
  readonly unit?: SystemdUnit | undefined;
  readonly crowded?: true | undefined;
  readonly sessions?: readonly TcpSession[] | undefined;
}

/** A process begins. */
export function startProcess(state: MachineState, name: string, facts: ProcessFacts = {}): Process {
  state.next.pid += 1;
  const process: Process = {
    pid: facts.pid ?? state.next.pid,
    startTime: Math.floor(state.clock / 10),
    name,
    ...(facts.guest !== undefined && { guest: facts.guest }),
    ...(facts.unit && { unit: facts.unit }),
    ...(facts.crowded && { crowded: facts.crowded }),
    ...(facts.program !== undefined && { program: facts.program }),
    ...(facts.halted && { halted: true }),
    ...(facts.letsGoMs !== undefined && { letsGoMs: facts.letsGoMs }),
    ...(facts.endsMs !== undefined && { endsMs: facts.endsMs }),
    // The number of a socket's inode is any that no other socket has.
    ...(facts.sessions && {
      sessions: facts.sessions.map((session, index) => ({ ...session, inode: state.next.pid * 100 + index })),
    }),
  };
  state.processes.push(process);
  return process;
}

/** A process ends: what it had open is closed, what it was waiting for in the kernel goes on. */
export function endProcess(state: MachineState, process: Process): void {
  closeGroups(state, process.pid);
  // The daemon turns it off as it ends.
  const kept = new Set(
    isDaemon(process) ? state.opens.filter(({ pid }) => pid === process.pid).map(({ uid }) => uid) : [],
  );
  for (const device of Object.values(state.devices)) if (kept.has(device.uid)) delete device.persistence;
  unmapPages(state, process.pid);
  state.opens = state.opens.filter((each) => each.pid !== process.pid);
  state.processes = state.processes.filter((each) => each.pid !== process.pid);
}

/** A process opens a device node; false when there is no such node. */
export function openNode(state: MachineState, process: Process, path: string): boolean {
  const device = Object.values(state.devices).find((each) => nodesOf(state, each).includes(path));
  if (!device && !sharedNodes(state).includes(path)) return false;
  if (device?.unbindLock) return false;
  const module = servingModule(state, device?.driver, path);
  if (device && isDaemon(process)) device.persistence = true;
  state.opens.push({
    pid: process.pid,
    path,
    ...(device && { uid: device.uid }),
    ...(module !== undefined && { module }),
  });
  return true;
}

/** The processes that run since the machine booted, with what they have open. */
export function startAtBoot(state: MachineState, specs: readonly ProcessSpec[]): void {
  for (const { name, nodes, ...facts } of specs) {
    const process = startProcess(state, name, facts);
    for (const path of nodes) openNode(state, process, path);
  }
}
