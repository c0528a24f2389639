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
      const [address, group] = deviceOf(runs.machines.state(world.machine), action);
      const shared = address === undefined && run.locks.some((lock) => 'shared' in lock);
      if (shared || (group !== undefined && hasLock(run, { group }))) return undefined;
      return `${name} writes to ${address ?? action.path} without a lock of it`;
    }
    case 'claims':
    case 'modprobe':
    case 'unlock':
      return undefined;
  }
}

/** The device that a write is for, and its group; neither for a parameter. */
function deviceOf(
  state: MachineState,
  { value, path }: Action & { readonly ask: 'write' },
): readonly [address?: string, group?: number | undefined] {
  const address = /[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]/.exec(value + path)?.[0];
  return address === undefined ? [] : [address, state.devices[address]?.group];
}

/** A write to a device that a guest has open: whatever it is, it reaches into a running guest. */
export function intrusion({ runs, world }: Surroundings, action: Action): string | undefined {
  if (action.ask !== 'write') return undefined;
  const state = runs.machines.state(world.machine);
  const [address] = deviceOf(state, action);
  const open = Object.values(state.groups).find(
    (group) =>
      group.openedBy !== undefined &&
      groupMembers(state, group.number).some(({ spec }) => spec.address === address),
  );
  return open && `${address ?? ''} is written to while a guest has its group ${open.number} open`;
}
