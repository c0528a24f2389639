import { inconsistencies } from '../simulator/consistency.ts';
import { build } from '../../simulator/build.ts';
import { hasVfioDevice } from '../../simulator/groups.ts';
import { submit, type Call } from '../../simulator/kernel.ts';
import { differences, observe } from '../simulator/observe.ts';
import type { Operation } from '../../simulator/operation.ts';
import { perform } from '../../simulator/operations.ts';
import type { MachineSpec } from '../../simulator/spec.ts';
import { groupMembers, type MachineState } from '../../simulator/state.ts';

/** Number of a state of the machine; equal states have equal numbers. */
export type MachineId = number;

/** Something that changes the machine: a call of a run, or what happens besides. */
export type MachineEvent =
  | { readonly do: 'write'; readonly path: string; readonly value: string; readonly hangs?: Hang }
  | { readonly do: 'modprobe'; readonly module: string }
  /** Every write that hangs in a driver goes on. */
  | { readonly do: 'unhang' }
  | { readonly do: 'start-libvirt' }
  | Extract<
      Operation,
      { readonly do: 'open-group' | 'map-pages' | 'close-group' | 'stop-libvirt' | 'reboot' }
    >;

/**
 * Where a write stays until much later: before it has done anything, such as for a lock that somebody else has,
 * or inside of the driver's probe or remove, with the lock held.
 */
export type Hang = (typeof hangs)[number];

/** Every {@link Hang}. */
export const hangs = ['before', 'inside'] as const;

/** What came of an event. */
export interface Change {
  readonly machine: MachineId;
  /** Of a call: its errno, `ok`, or the task that waits in the kernel. Of the opening of a group: whether it succeeded. */
  readonly result: 'ok' | { readonly errno: string } | { readonly waits: number; readonly writer: number };
  /** Calls of earlier events that have returned now: `ok` or the errno, by task. */
  readonly returned: ReadonlyMap<number, string>;
}

/**
 * Every state of the simulated machine that was met, each once. The simulated kernel does all the work; what is
 * added here is that states are compared, so what cannot matter to the protocol is made equal: time, the kernel's
 * log, the journal of calls that have returned, the count of resets.
 */
export class Machines {
  readonly booted: MachineId;
  readonly #states: MachineState[] = [];
  readonly #ids = new Map<string, MachineId>();
  readonly #changes = new Map<string, Change>();

  constructor(spec: MachineSpec) {
    this.booted = this.#idOf(build(spec, 1));
  }

  get size(): number {
    return this.#states.length;
  }

  state(id: MachineId): MachineState {
    return this.#states[id]!;
  }

  change(id: MachineId, event: MachineEvent): Change {
    const key = `${id} ${JSON.stringify(event)}`;
    const known = this.#changes.get(key);
    if (known) return known;
    const change = this.#apply(id, event);
    this.#changes.set(key, change);
    return change;
  }

  /** How a machine differs from one that has just booted, a line for each fact: `0000:03:00.0 driver: amdgpu -> vfio-pci`. */
  drift(id: MachineId): readonly string[] {
    return this.#memo(this.#drifts, id, (state) =>
      differences(observe(this.state(this.booted)), observe(state)),
    );
  }
  readonly #drifts = new Map<MachineId, readonly string[]>();

  /** What must never be true of a machine, whatever the claims say. */
  faults(id: MachineId): readonly string[] {
    return this.#memo(this.#faults, id, (state) => [
      ...inconsistencies(state),
      ...state.tasks.flatMap((task) =>
        task.waiting?.includes('is open in a guest') === true
          ? [`a write waits since ${task.waiting}: the kernel asks QEMU to give the device up`]
          : [],
      ),
      ...Object.values(state.groups).flatMap((group) =>
        group.openedBy === undefined
          ? []
          : groupMembers(state, group.number)
              .filter((device) => device.users.length > 0 && !hasVfioDevice(state, device))
              .map(({ spec }) => `${spec.address} is open in a guest and is no VFIO device any more`),
      ),
    ]);
  }
  readonly #faults = new Map<MachineId, readonly string[]>();

  #memo<T>(memo: Map<MachineId, T>, id: MachineId, compute: (state: MachineState) => T): T {
    const known = memo.get(id);
    if (known !== undefined) return known;
    const value = compute(this.state(id));
    memo.set(id, value);
    return value;
  }

  #apply(id: MachineId, event: MachineEvent): Change {
    const state = structuredClone(this.state(id));
    const before = { ...state.next };
    const waiting = state.tasks.map((task) => task.id);
    const result = this.#happen(state, event);
    const returned = new Map<number, string>();
    for (const task of waiting) {
      if (state.tasks.some((each) => each.id === task)) continue;
      returned.set(task, state.journal.find((entry) => entry.id === task)?.result ?? 'ok');
    }
    // Numbers of what has come and gone are given again; that of a waiting call stands in claims.
    if (event.do !== 'reboot' && !(typeof result === 'object' && 'waits' in result)) state.next = before;
    return { machine: this.#idOf(state), result, returned };
  }

  #happen(state: MachineState, event: MachineEvent): Change['result'] {
    switch (event.do) {
      case 'write': {
        if (event.hangs) hang(state, event, event.hangs);
        const { path, value } = event;
        const data = `${value}\n`;
        const call: Call = {
          operation: 'write',
          path,
          value: data,
          pid: 1,
          work: { do: 'store', path, data, create: false },
        };
        return callResult(state, call);
      }
      case 'modprobe': {
        const { module } = event;
        const work = { do: 'load', module } as const;
        return callResult(state, { operation: 'load', path: module, value: '', pid: 1, work });
      }
      case 'unhang':
        for (const rule of state.faults) perform(state, { do: 'release-fault', id: rule.id });
        perform(state, { do: 'clear-faults' });
        return 'ok';
      case 'reboot':
        perform(state, { do: 'clear-faults' });
        perform(state, event);
        return 'ok';
      case 'start-libvirt':
        Object.assign(state, { daemon: this.state(this.booted).daemon });
        return 'ok';
      case 'open-group':
      case 'map-pages':
      case 'close-group':
      case 'stop-libvirt': {
        const done = perform(state, event);
        return done.kind === 'refused' ? { errno: done.errno } : 'ok';
      }
    }
  }

  #idOf(state: MachineState): MachineId {
    state.clock = 0;
    state.log = [];
    state.journal = state.journal
      .filter((entry) => entry.result === undefined)
      .map((entry) => ({ ...entry, at: 0 }));
    for (const device of Object.values(state.devices)) device.resets = 0;
    const { spec, ...rest } = state;
    const key = JSON.stringify(rest);
    const known = this.#ids.get(key);
    if (known !== undefined) return known;
    const id = this.#states.push({ spec, ...rest }) - 1;
    this.#ids.set(key, id);
    return id;
  }
}

/** Makes this write wait; only one that calls a driver can do so inside of it. */
function hang(state: MachineState, write: { path: string; value: string }, where: Hang): void {
  const { path, value } = write;
  const id = `hang-${state.faults.length}`;
  const effect = { kind: 'hang' } as const;
  if (where === 'before') {
    perform(state, { do: 'fault', rule: { id, on: 'write', path, value, effect } });
    return;
  }
  const [, uuid] = /^\/sys\/bus\/mdev\/devices\/([^/]+)\/remove$/.exec(path) ?? [];
  if (uuid !== undefined) {
    perform(state, { do: 'fault', rule: { id, on: 'remove', path: `vfio_mdev/${uuid}`, effect } });
    return;
  }
  const [, driver, file] = /\/drivers\/([^/]+)\/(bind|unbind)$/.exec(path) ?? [];
  if (driver === undefined) return;
  const on = file === 'bind' ? 'probe' : 'remove';
  perform(state, { do: 'fault', rule: { id, on, path: `${driver}/${value}`, effect } });
}

function callResult(state: MachineState, call: Call): Change['result'] {
  const { task } = submit(state, call);
  const result = state.journal.find((entry) => entry.id === task)?.result;
  if (result === 'ok') return 'ok';
  if (result !== undefined) return { errno: result };
  return { waits: task, writer: state.tasks.find(({ id }) => id === task)?.writer ?? 0 };
}
