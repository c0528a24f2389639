import { build } from './build.ts';
import { simulatedHost, type SimulatedHost } from './host.ts';
import { perform, type OperationResult } from './operations.ts';
import { endProcess, startProcess } from './processes.ts';
import type { Operation } from './operation.ts';
import type { MachineSpec } from './spec.ts';
import type { JournalEntry, MachineState } from './state.ts';
import { memoryStore } from './store-memory.ts';
import { createStateFile, fileStore } from './store-file.ts';
import type { Store } from './store.ts';

/** A running machine, for tests, the demo and the command; the hook itself only sees its `host`. */
export interface Machine {
  readonly store: Store;
  /** A port for one process; call it again for a second process at the same time. */
  host(): SimulatedHost;
  /** Something happens on the machine: a guest starts, a process opens a node, a card is pulled, a reboot. */
  perform(operation: Operation): OperationResult;
  /** The same in so many milliseconds. */
  schedule(afterMs: number, operation: Operation): void;
  /** Every call so far, oldest first (the latest 2000). */
  journal(): readonly JournalEntry[];
  /** A copy of everything. */
  state(): MachineState;
}

/**
 * A machine in memory, freshly booted. Each `host()` is a process of its own on that machine: a fault that
 * kills it throws SimulatedKill out of the call and out of every later one, and it is no longer alive.
 */
export function createMachine(spec: MachineSpec): Machine {
  const store = memoryStore(build(spec, 1));
  return machineOver(store, () => {
    const process = store.update((state) => startProcess(state, 'vfio-hook'));
    const kill = (): void => {
      store.update((state) => {
        endProcess(state, process);
      });
    };
    return simulatedHost(store, { process, kill });
  });
}

/** Makes a machine in a file that several processes can share, freshly booted. An existing file is replaced. */
export function createMachineFile(path: string, spec: MachineSpec): Machine {
  createStateFile(path, build(spec, 1));
  return openMachineFile(path);
}

/** The machine in a file. Faults that kill end this process with SIGKILL. Throws an errno error when there is none. */
export function openMachineFile(path: string): Machine {
  const store = fileStore(path);
  return machineOver(store, () => simulatedHost(store));
}

function machineOver(store: Store, host: () => SimulatedHost): Machine {
  return {
    store,
    host,
    perform: (operation) => store.update((state) => perform(state, operation)),
    schedule: (afterMs, operation) => {
      store.update((state) => state.schedule.push({ at: state.clock + afterMs, operation }));
    },
    journal: () =>
      store.read((state) => structuredClone(state.journal.filter(({ tells }) => tells !== true))),
    state: () => store.read((state) => structuredClone(state)),
  };
}
