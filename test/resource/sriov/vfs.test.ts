import assert from 'node:assert/strict';
import type { Claim } from '../../../src/claim/claim.ts';
import type { StateOf } from '../../../src/claim/hold.ts';
import { hintText } from '../../../src/hint.ts';
import type { Snapshot } from '../../../src/pci/snapshot.ts';
import type { PhysicalFunctionFacts } from '../../../src/resource/facts.ts';
import type { Ahead, Refusal } from '../../../src/resource/kind.ts';
import { vfs } from '../../../src/resource/sriov/vfs.ts';
import { claimOf, device, snapshot } from '../../plan/snapshots.ts';
import { pci } from '../../scenario.ts';
import { idleCard, PF } from '../generators.ts';

type State = StateOf<'vfs'>;

const none: State = { count: 0, autoprobe: true, power: 'auto' };
const made = (count: number): State => ({ count, autoprobe: false, power: 'on' });
const wish = (count: number, autoprobe = false): { readonly count: number; readonly autoprobe: boolean } => ({
  count,
  autoprobe,
});
const change = (
  from: State,
  to: State,
  facts: Partial<PhysicalFunctionFacts> = {},
): Ahead<State, PhysicalFunctionFacts> => ({
  key: PF,
  seen: { state: from, facts: { ...idleCard, ...facts } },
  to,
});

const reached = (
  ahead: ReturnType<typeof change>,
  claims: readonly Claim[] = [],
): ReturnType<NonNullable<typeof vfs.reach>> => vfs.reach?.(ahead, claims);

describe('virtual functions', () => {
  it('that are the administrator’s stay as they are', () => {
    const theirs: State = { count: 4, autoprobe: true, power: 'auto' };
    assert.deepEqual(vfs.target(theirs, [wish(4), wish(2)]), theirs);
  });

  it('are made for guests: the card is awake, and drivers of the host leave them alone', () => {
    assert.deepEqual(vfs.target(none, [wish(4)]), made(4));
    assert.deepEqual(vfs.target(none, [wish(4, true), wish(4, true)]), { ...made(4), autoprobe: true });
    assert.deepEqual(vfs.target(none, [wish(4, true), wish(4)]), made(4));
    assert.deepEqual(vfs.target(none, []), none);
  });

  it('of two cards do not wait for each other', () => {
    assert.notEqual(vfs.lock(PF), vfs.lock('0000:03:00.0'));
  });

  describe('conflict', () => {
    const conflict = (original: State, count: number, others: readonly number[]): string | undefined =>
      vfs.conflict?.({
        key: PF,
        original,
        wish: wish(count),
        others: others.map((each, index) => ({
          wish: wish(each),
          settled: true,
          owner: `guest "g${index}"`,
        })),
        facts: idleCard,
        claims: [],
      })?.reason;
    const onlyByZero = 'the number changes only by way of 0, which takes all of them away';

    it('is none with the same number, or with enough of the administrator’s', () => {
      assert.equal(conflict(none, 4, [4, 4]), undefined);
      assert.equal(conflict(made(4), 4, []), undefined);
      assert.equal(conflict(made(4), 3, [2]), undefined);
    });

    it('names the guest that uses them', () => {
      assert.equal(
        conflict(none, 8, [8, 4]),
        `guest "g1" has them with 4 in all, and 8 are wanted: ${onlyByZero}`,
      );
      assert.equal(
        conflict(none, 2, [4]),
        `guest "g0" has them with 4 in all, and 2 are wanted: ${onlyByZero}`,
      );
    });

    it('is one with too few of the administrator’s', () => {
      assert.equal(conflict(made(4), 5, []), `4 are there already, and 5 are wanted: ${onlyByZero}`);
      assert.equal(
        conflict({ ...none, count: 1 }, 2, []),
        `1 is there already, and 2 are wanted: ${onlyByZero}`,
      );
    });
  });

  describe('guard', () => {
    const guarded = (ahead: ReturnType<typeof change>, claims: readonly Claim[] = []): readonly Refusal[] =>
      vfs.guard?.(ahead, claims) ?? [];

    it('lets them be made and go', () => {
      assert.deepEqual(guarded(change(none, made(7))), []);
      assert.deepEqual(guarded(change(made(7), none, { driver: '' })), []);
    });

    it('makes none of a card that a guest has, also one that has no driver for that reason', () => {
      const [refusal, ...others] = guarded(change(none, made(4), { driver: '' }), [
        claimOf([{ address: PF, group: 13, vendor: '8086', device: '10c9', original: { bars: [] } }]),
      ]);
      assert.match(refusal?.reason ?? '', /^guest ".*" has the card itself$/);
      assert.deepEqual(others, []);
    });

    it('makes none without the card’s own driver', () => {
      const rows = [
        ['', 'the card has no driver, and only its own driver makes them'],
        ['vfio-pci', 'the card is on vfio-pci, and only its own driver makes them'],
      ] as const;
      for (const [driver, reason] of rows) {
        const [refusal] = guarded(change(none, made(4), { driver }));
        assert.equal(refusal?.reason, reason);
        assert.deepEqual(refusal.hints.map(hintText), [`echo ${PF} > /sys/bus/pci/drivers_probe`]);
      }
    });

    it('makes no more than the card can have', () => {
      assert.equal(guarded(change(none, made(8)))[0]?.reason, 'the card can have 7, and 8 are wanted');
    });

    it('never goes from one number to another', () => {
      assert.match(
        guarded(change(made(4), made(2)))[0]?.reason ?? '',
        /^4 are there already, and 2 are wanted/,
      );
    });
  });

  it('stay while somebody has one open', () => {
    const open = '0000:02:10.2 is open in guest "x" (pid 1)';
    assert.deepEqual(reached(change(made(4), none, { open })), { to: made(4), left: open });
    assert.equal(reached(change(made(4), none)), undefined);
    assert.equal(reached(change(made(4), { ...made(4), power: 'auto' }, { open })), undefined);
  });

  it('stay while somebody was handed one of them', () => {
    const ids = { group: 1, vendor: '8086', device: '10ca', original: { bars: [] } };
    const others = [PF, pci('0000:03:00.0')].map((physicalFunction, index) =>
      claimOf([{ ...ids, address: pci(`0000:02:10.${index}`), physicalFunction }], {
        owner: { kind: 'manual', uuid: 'u' },
      }),
    );
    const left = '0000:02:10.0 is held by vfio-hook detach';
    assert.deepEqual(reached(change(made(4), none), others), { to: made(4), left });
    assert.equal(reached(change(made(4), none), others.slice(1)), undefined);
  });

  describe('expect', () => {
    const VF0 = pci('0000:02:10.0');
    const VF2 = pci('0000:02:10.4');
    const card = device(PF, { vendor: '8086', device: '10c9', iommuGroup: 13, driver: 'igb' });
    const addresses = ({ devices }: Snapshot): string[] => devices.map(({ address }) => address);

    it('has those that are asked for, without a driver and a group', () => {
      const expected = vfs.expect?.(snapshot([device(pci('0000:09:00.0'), {})]), change(none, made(4)), [
        VF2,
        VF0,
      ]);
      assert.ok(expected);
      assert.deepEqual(addresses(expected), [VF0, VF2, '0000:09:00.0']);
      assert.deepEqual(expected.devices[0], {
        address: VF0,
        vendor: '8086',
        device: '10ca',
        subsystemVendor: '1af4',
        subsystemDevice: '1100',
        revision: '01',
        class: '020000',
        headerType: 'endpoint',
        modalias: 'pci:v00008086d000010CAsv00001AF4sd00001100bc02sc00i00',
        onVfio: false,
        bars: [],
        physicalFunction: PF,
        expected: true,
      });
    });

    it('has none beyond the number, and none twice', () => {
      const beyond = pci('0000:02:11.0');
      const there = device(VF0, { physicalFunction: PF, driver: 'igbvf' });
      const expected = vfs.expect?.(snapshot([there]), change(none, made(4)), [VF0, beyond]);
      assert.deepEqual(expected?.devices, [there]);
    });

    it('has a card with so many that is awake', () => {
      const expected = vfs.expect?.(snapshot([card]), change(none, made(4)), []);
      assert.deepEqual(expected?.devices[0], {
        ...card,
        powerControl: 'on',
        sriov: { totalVfs: 7, numVfs: 4 },
      });
    });

    it('has none of them when they go', () => {
      const there = [
        card,
        device(VF0, { physicalFunction: PF }),
        device(VF2, { physicalFunction: pci('0000:03:00.0') }),
      ];
      const expected = vfs.expect?.(snapshot(there), change(made(4), none), [VF0]);
      assert.ok(expected);
      assert.deepEqual(addresses(expected), [PF, VF2]);
    });
  });
});
