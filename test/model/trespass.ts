import { groupMembers, type MachineState } from '../../simulator/state.ts';
import { compareLocks, type LockName } from '../../src/engine/lock-name.ts';
import type { Action } from './questions.ts';
import type { Runs } from './runs.ts';
import { lockWords, sentenceOf } from './sentences.ts';
import type { Run, World } from './world.ts';

interface Surroundings {
  readonly runs: Runs;
  readonly world: World;
}

/** Whether a run has a lock. */
export function hasLock({ locks }: Run, name: LockName): boolean {
  return locks.some((each) => compareLocks(each, name) === 0);
}

/** What a run may not do with the locks that it has; and it may not ask for one that comes before one of them. */
export function trespass({ runs, world }: Surroundings, run: Run, action: Action): string | undefined {
  const { name } = run.point.program;
  switch (action.ask) {
    case 'lock': {
      const higher = run.locks.find((has) => compareLocks(has, action.name) >= 0);
      return (
        higher &&
        `${name} has the lock of ${lockWords(higher)} and asks for that of ${lockWords(action.name)}`
      );
    }
    case 'write-claim':
    case 'remove-claim':
      if (hasLock(run, { claim: action.key })) return undefined;
      return `${name} ${sentenceOf(action, undefined)} without the lock of it`;
    case 'write': {
      const subject = subjectOf(runs.machines.state(world.machine), action);
      if (subject.locks.some((lock) => hasLock(run, lock))) return undefined;
      return `${name} writes to ${subject.address ?? action.path} without a lock of it`;
    }
    case 'claims':
    case 'modprobe':
    case 'unlock':
      return undefined;
  }
}

interface Subject {
  /** The device that a write is for; absent: none. */
  readonly address?: string;
  /** The mediated device that it is for. */
  readonly uuid?: string;
  /** Whoever has one of them may write. */
  readonly locks: readonly LockName[];
}

/** What a write is for. */
function subjectOf(state: MachineState, { value, path }: Action & { readonly ask: 'write' }): Subject {
  if (path.startsWith('/sys/bus/mdev/') || path.startsWith('/sys/class/mdev_bus/')) {
    const [uuid = value] = /[0-9a-f]{8}(?:-[0-9a-f]+){4}/.exec(path) ?? [];
    return { uuid, locks: [{ shared: 'mediated devices' }] };
  }
  const address = /[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]/.exec(value + path)?.[0];
  if (address === undefined) {
    const parameter = /\/sys\/module\/(.*)\/parameters\/(.*)/.exec(path);
    return {
      locks: [{ shared: parameter ? `parameter ${parameter[1] ?? ''} ${parameter[2] ?? ''}` : 'huge pages' }],
    };
  }
  const device = state.devices[address];
  if (path.includes('/nvidia/')) return { address, locks: [{ shared: 'vGPUs' }] };
  const functions: LockName = { shared: `virtual functions of ${address}` };
  if (/\/sriov_[a-z_]+$/.test(path)) return { address, locks: [functions] };
  const group = device?.group === undefined ? [] : [{ group: device.group }];
  const isAwake = device?.spec.sriov !== undefined && path.endsWith('/power/control');
  return { address, locks: isAwake ? [...group, functions] : group };
}

/**
 * A write to a device that a guest has open: whatever it is, it reaches into a running guest. So does one to the number
 * of a card's virtual functions while one of them is open.
 */
export function intrusion({ runs, world }: Surroundings, action: Action): string | undefined {
  if (action.ask !== 'write') return undefined;
  const state = runs.machines.state(world.machine);
  const { address, uuid } = subjectOf(state, action);
  const ofMdev = state.groups[state.mdevs[uuid ?? '']?.group ?? -1];
  if (ofMdev?.openedBy !== undefined)
    return `mediated device ${uuid ?? ''} is written to while a guest has its group ${ofMdev.number} open`;
  const isNumber = action.path.endsWith('/sriov_numvfs');
  const open = Object.values(state.groups).find(
    (group) =>
      group.openedBy !== undefined &&
      groupMembers(state, group.number).some(
        ({ spec }) => spec.address === address || (isNumber && spec.physicalFunction === address),
      ),
  );
  return open && `${address ?? ''} is written to while a guest has its group ${open.number} open`;
}
