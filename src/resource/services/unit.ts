import { advice, command } from '../../hint.ts';
import { isLatencyUnit } from '../../pci/latency.ts';
import { AWAKE_UNIT } from '../../pci/sleep.ts';
import { unitOfKey, unitWords } from '../../pci/unit.ts';
import { quoteName } from '../../text.ts';
import type { KindOf } from '../kind.ts';
import { withoutUnit } from './without-unit.ts';

/**
 * A unit of systemd that is stopped, or started, for the time that guests run, and then put back to what it was. One that
 * is stopped lets go of what its processes have open, so that a device which only they keep is free afterwards.
 */
export const unit: KindOf<'unit'> = {
  stage: 'services',
  changesDevices: true,
  freesDevices: true,
  attributes: [],
  lock: (key) => `unit ${key}`,
  // A job for a unit takes the place of the one before it (systemctl(1), --job-mode=replace).
  obeysLast: true,
  target: (original, [wish]) => (wish ? { active: wish.active } : original),
  conflict: ({ wish, others }) => {
    const other = others.find((each) => each.wish.active !== wish.active);
    return (
      other && {
        reason: `${other.owner} needs it ${stateWords(other.wish)}, and this one ${stateWords(wish)}`,
        hints: [advice('end that one first, or take the unit out of the services of one of them')],
      }
    );
  },
  guard: ({ key, seen: { facts }, to }) => {
    if (to.active && !facts.there) {
      const reason = `systemd knows no unit ${unitWords(unitOfKey(key))}`;
      const hint =
        isLatencyUnit(key) || key === AWAKE_UNIT
          ? advice('it comes with this program: install that again')
          : command('systemctl list-unit-files');
      return [{ reason, hints: [hint] }];
    }
    if (to.active || facts.users.length < 2) return [];
    return [
      {
        reason: `its stop would end the sessions of ${listed(facts.users)}`,
        hints: [advice('let all but one of them log out first: loginctl list-sessions')],
      },
    ];
  },
  notes: ({ seen: { state, facts }, to }) =>
    state.active && !to.active && facts.users.length > 0
      ? [
          `its stop ends the session of ${listed(facts.users)}, with every program in it: whoever starts the guest there loses it; start it from a text console, by ssh or from a timer to stay`,
        ]
      : [],
  steps: ({ key, seen, to }) =>
    seen.state.active === to.active ? [] : [{ kind: 'unit', key, to: to.active ? 'start' : 'stop' }],
  expect: (snapshot, { key, to }) => (to.active ? snapshot : withoutUnit(snapshot, key)),
  subject: (key) => unitWords(unitOfKey(key)),
  words: (_key, state) => stateWords(state),
};

function listed(users: readonly string[]): string {
  return users.map(quoteName).join(' and ');
}

function stateWords({ active }: { readonly active: boolean }): string {
  return active ? 'running' : 'stopped';
}
