import assert from 'node:assert/strict';
import type { Hold, StateOf } from '../../../src/claim/hold.ts';
import { heldWords } from '../../../src/cli/render/holds.ts';
import { hintText } from '../../../src/hint.ts';
import type { Facts } from '../../../src/resource/facts.ts';
import type { Ahead } from '../../../src/resource/kind.ts';
import { frequency, frequencyWishes } from '../../../src/resource/tuning/frequency.ts';
import { describeStep } from '../../../src/steps/index.ts';

type State = StateOf<'frequency'>;
type Change = Ahead<State, Facts['frequency']>;

const facts: Facts['frequency'] = {
  driver: 'intel_pstate',
  offered: ['performance', 'powersave'],
  hidden: false,
};
const state = (governor: string, epp = ''): State => ({ governor, epp });
const change = (from: State, to: State, more: Partial<Facts['frequency']> = {}): Change => ({
  key: 'policy4',
  seen: { state: from, facts: { ...facts, ...more } },
  to,
});
const steps = (ahead: Change): string[] => frequency.steps(ahead).map(describeStep);
const reasons = (ahead: Change): string[] => (frequency.guard?.(ahead, []) ?? []).map(({ reason }) => reason);

describe('the frequency of CPUs', () => {
  const target = (original: State, ...governors: readonly ('performance' | 'powersave')[]): State =>
    frequency.target(
      original,
      governors.map((governor) => ({ governor })),
    );

  it('is what it was where nobody wants anything', () => {
    assert.deepEqual(target(state('powersave', '128')), state('powersave', '128'));
  });

  it('is the governor that is wanted, with the preference that belongs to performance only', () => {
    const original = state('powersave', 'balance_power');
    assert.deepEqual(target(original, 'performance'), state('performance', 'performance'));
    assert.deepEqual(target(original, 'performance', 'performance'), state('performance', 'performance'));
    assert.deepEqual(
      target(state('performance', 'performance'), 'powersave'),
      state('powersave', 'performance'),
    );
    assert.deepEqual(target(original, 'powersave'), original);
    assert.deepEqual(target(state('schedutil'), 'performance'), state('performance'));
  });

  it('is changed by one run at a time, whichever CPUs they are', () => {
    assert.equal(frequency.lock('policy0'), frequency.lock('policy4'));
  });

  it('is wanted of each policy', () => {
    assert.deepEqual(frequencyWishes('performance', ['policy0', 'policy2']), [
      { kind: 'frequency', key: 'policy0', wish: { governor: 'performance' } },
      { kind: 'frequency', key: 'policy2', wish: { governor: 'performance' } },
    ]);
  });

  it('cannot be wanted in two ways at once', () => {
    const meet = (governor: 'performance' | 'powersave'): string | undefined =>
      frequency.conflict?.({
        key: 'policy4',
        original: state('schedutil'),
        wish: { governor: 'performance' },
        others: [{ wish: { governor }, settled: true, owner: 'guest "a"' }],
        facts,
        claims: [],
      })?.reason;
    assert.equal(meet('performance'), undefined);
    assert.equal(
      meet('powersave'),
      'guest "a" has the governor powersave there, and this one wants performance',
    );
  });

  describe('steps', () => {
    const governor = (to: string): string => `set governor of CPU frequency policy4 to ${to}`;
    const preference = (to: string): string =>
      `set energy-performance preference of CPU frequency policy4 to ${to}`;

    it('are the governor and then the preference, there and back', () => {
      const [slow, fast] = [state('powersave', 'power'), state('performance', 'performance')];
      assert.deepEqual(steps(change(slow, fast)), [governor('performance'), preference('performance')]);
      assert.deepEqual(steps(change(fast, slow)), [governor('powersave'), preference('power')]);
    });

    it('are the preference as well where it is to stay: the driver may change it with the governor', () => {
      const ahead = change(state('performance', 'performance'), state('powersave', 'performance'));
      assert.deepEqual(steps(ahead), [governor('powersave'), preference('performance')]);
    });

    it('are one of both where only that differs', () => {
      assert.deepEqual(steps(change(state('powersave', 'power'), state('powersave', '128'))), [
        preference('128'),
      ]);
      assert.deepEqual(steps(change(state('schedutil'), state('performance'))), [governor('performance')]);
    });

    it('are none where nothing is to be done', () => {
      for (const same of [state('schedutil'), state('performance', 'performance')])
        assert.deepEqual(steps(change(same, same)), []);
    });
  });

  describe('is refused', () => {
    const to = state('performance');

    it('not where nothing is in the way', () => {
      assert.deepEqual(reasons(change(state('powersave'), to)), []);
    });

    it('with a governor that is not offered', () => {
      const ahead = change(state('powersave'), state('ondemand'));
      assert.deepEqual(reasons(ahead), [
        'the driver intel_pstate offers no governor ondemand, but performance, powersave',
      ]);
      const [refusal] = frequency.guard?.(ahead, []) ?? [];
      assert.match(refusal?.hints.map(hintText).join() ?? '', /modprobe cpufreq_ondemand$/);
    });

    it('in place of what could not come back', () => {
      assert.match(reasons(change(state('userspace'), to)).join(), /^its governor is userspace, /);
      assert.match(reasons(change(state('powersave'), to, { hidden: true })).join(), /cannot be read/);
    });
  });

  it('has words', () => {
    assert.equal(frequency.subject('policy4'), 'CPU frequency of policy4');
    assert.equal(frequency.words('policy4', state('schedutil')), 'schedutil');
    assert.equal(frequency.words('policy4', state('powersave', '128')), 'powersave (EPP 128)');
    const wish = { governor: 'performance' } as const;
    const hold: Hold = { kind: 'frequency', key: 'policy4', original: state('powersave', 'power'), wish };
    assert.equal(heldWords(hold), 'CPU frequency of policy4: performance');
  });
});
