import assert from 'node:assert/strict';
import type { Claim } from '../../src/claim/claim.ts';
import type { Hold, Stated } from '../../src/claim/hold.ts';
import { guestOwner } from '../../src/claim/owner.ts';
import { hintText } from '../../src/hint.ts';
import type { Seen, Wish } from '../../src/resource/kind.ts';
import { changeWords, holdWords, type HoldChange, type HoldInput } from '../../src/resource/hold-input.ts';
import { planHolds } from '../../src/resource/plan-holds.ts';
import { planHoldsBack } from '../../src/resource/plan-holds-back.ts';
import { describeStep } from '../../src/steps/index.ts';
import { claimOf } from '../plan/snapshots.ts';
import { freePool, idleCard, PF } from './generators.ts';

const NODE0 = '2048kB node0';
const owner = (name: string): Claim['owner'] => guestOwner({ name, uuid: `uuid of ${name}` });

const pages = (count: number, key = NODE0): Wish => ({ kind: 'hugepages', key, wish: { pages: count } });
const functions = (count: number): Wish => ({ kind: 'vfs', key: PF, wish: { count, autoprobe: false } });
const noVfs = { count: 0, autoprobe: true, power: 'auto' } as const;

const heldPages = (original: number, wish: number, key = NODE0): Hold => ({
  kind: 'hugepages',
  key,
  original: { pages: original },
  wish: { pages: wish },
});
const heldVfs = (count: number): Hold => ({
  kind: 'vfs',
  key: PF,
  original: noVfs,
  wish: { count, autoprobe: false },
});

const claim = (name: string, holds: readonly Hold[], state: Claim['state'] = 'held'): Claim =>
  claimOf([], { owner: owner(name), holds, state });

/** What guest `win11` meets: pages in each pool, states of cards. */
function input(
  seen: { readonly pages?: number; readonly vfs?: Stated; readonly facts?: Stated },
  claims: readonly Claim[] = [],
): HoldInput {
  return {
    owner: owner('win11'),
    claims,
    seen: ({ kind, key }): Seen | undefined => {
      if (kind === 'hugepages' && seen.pages !== undefined)
        return { state: { pages: seen.pages }, facts: { ...freePool, ...seen.facts } };
      if (kind === 'vfs' && key === PF && seen.vfs)
        return { state: seen.vfs, facts: { ...idleCard, ...seen.facts } };
      return undefined;
    },
  };
}

const reasons = (...of: Parameters<typeof planHolds>): string[] =>
  planHolds(...of).refusals.map(({ reason }) => reason);
const steps = (changes: readonly HoldChange[]): string[] =>
  changes.flatMap((change) => change.steps.map(describeStep));

describe('planHolds', () => {
  it('takes the original from the host where nobody holds it', () => {
    const planned = planHolds(input({ pages: 256 }), [pages(4096)]);
    assert.deepEqual(planned.holds, [heldPages(256, 4096)]);
    assert.deepEqual(planned.changes.map(changeWords), ['huge pages of 2 MiB on node 0: 256 → 4352']);
    assert.deepEqual(steps(planned.changes), ['set huge pages of 2 MiB on node 0 to 4352']);
  });

  it('takes it from a claim that is there, also from a dead one', () => {
    for (const state of ['held', 'preparing', 'restoring', 'incomplete', 'stuck'] as const) {
      const planned = planHolds(input({ pages: 356 }, [claim('other', [heldPages(256, 100)], state)]), [
        pages(10),
      ]);
      assert.deepEqual(planned.holds, [heldPages(256, 10)], state);
      assert.deepEqual(planned.changes[0]?.to, { pages: 366 }, state);
    }
  });

  it('makes what devices need before what is tuned', () => {
    const planned = planHolds(input({ pages: 0, vfs: noVfs }), [pages(1), functions(4)]);
    assert.deepEqual(steps(planned.changes), [
      `set power control of ${PF} to on`,
      `set automatic drivers of virtual functions of ${PF} to 0`,
      `set number of virtual functions of ${PF} to 4`,
      'set huge pages of 2 MiB on node 0 to 1',
    ]);
  });

  it('writes nothing for what is there already, and holds it all the same', () => {
    const shared = { count: 4, autoprobe: false, power: 'on' };
    const planned = planHolds(input({ vfs: shared }, [claim('other', [heldVfs(4)])]), [functions(4)]);
    assert.deepEqual([planned.changes, planned.holds], [[], [heldVfs(4)]]);
  });

  it('refuses everything when one thing cannot be had', () => {
    const planned = planHolds(input({ pages: 0 }), [functions(4), pages(1)]);
    assert.deepEqual([planned.holds, planned.changes], [[], []]);
    assert.deepEqual(
      planned.refusals.map((refusal) => `${holdWords(refusal)}: ${refusal.reason}`),
      [`virtual functions of ${PF}: this host has none`],
    );
  });

  it('refuses what somebody else has changed, since what it was cannot be promised back', () => {
    const changed = input({ pages: 300 }, [claim('other', [heldPages(256, 100)])]);
    assert.deepEqual(reasons(changed, [pages(10)]), [
      'somebody else has made it 300 in place of 356, and what it was before could not come back',
    ]);
    const [refusal] = planHolds(changed, [pages(10)]).refusals;
    assert.deepEqual(refusal?.hints.map(hintText), [
      'vfio-hook status',
      'set it back by hand, or end the guests that hold it first',
    ]);
  });

  it('refuses one pool in two ways, and not two pools', () => {
    const whole = claim('other', [heldPages(0, 10, '2048kB')]);
    assert.deepEqual(reasons(input({ pages: 10 }, [whole]), [pages(1)]), [
      'guest "other" holds huge pages of 2 MiB, which is about the same in another way',
    ]);
    assert.deepEqual(
      reasons(input({ pages: 10 }, [claim('other', [heldPages(10, 0, NODE0)])]), [pages(1, '2048kB')]),
      ['guest "other" holds huge pages of 2 MiB on node 0, which is about the same in another way'],
    );
    for (const other of ['2048kB node1', '1048576kB'])
      assert.deepEqual(
        reasons(input({ pages: 10 }, [claim('other', [heldPages(0, 10, other)])]), [pages(1)]),
        [],
      );
  });

  describe('for a guest that has a claim from an unfinished start', () => {
    it('keeps its original, and counts it once', () => {
      const own = claim('win11', [heldPages(256, 100)], 'preparing');
      for (const now of [256, 300, 356]) {
        const planned = planHolds(input({ pages: now }, [own]), [pages(100)]);
        assert.deepEqual([planned.dropped, planned.holds], [[], [heldPages(256, 100)]]);
        assert.deepEqual(
          planned.changes.map(({ to }) => to),
          now === 356 ? [] : [{ pages: 356 }],
        );
      }
    });

    it('drops what is not wanted any more, or otherwise', () => {
      const own = claim('win11', [heldPages(256, 100), heldVfs(4)], 'preparing');
      assert.deepEqual(planHolds(input({ pages: 356 }, [own]), [pages(100)]).dropped, [heldVfs(4)]);
      assert.deepEqual(planHolds(input({ pages: 356 }, [own]), [pages(200)]).dropped, own.holds);
    });
  });
});

describe('planHoldsBack', () => {
  const back = (
    seen: Parameters<typeof input>[0],
    holds: readonly Hold[],
    others: readonly Claim[] = [],
  ): ReturnType<typeof planHoldsBack> =>
    planHoldsBack(input(seen, [claim('win11', holds, 'restoring'), ...others]), holds);

  it('goes to the original when nobody else is there, against the order of a start', () => {
    const made = { count: 4, autoprobe: false, power: 'on' };
    const planned = back({ pages: 356, vfs: made }, [heldVfs(4), heldPages(256, 100)]);
    assert.deepEqual(steps(planned.changes), [
      'set huge pages of 2 MiB on node 0 to 256',
      `set number of virtual functions of ${PF} to 0`,
      `set automatic drivers of virtual functions of ${PF} to 1`,
      `set power control of ${PF} to auto`,
    ]);
    assert.deepEqual([planned.notes, planned.left], [[], []]);
  });

  it('leaves the others theirs', () => {
    const other = claim('other', [heldPages(256, 1000)]);
    assert.deepEqual(back({ pages: 1356 }, [heldPages(256, 100)], [other]).changes[0]?.to, { pages: 1256 });
    const shared = { count: 4, autoprobe: false, power: 'on' };
    assert.deepEqual(back({ vfs: shared }, [heldVfs(4)], [claim('other', [heldVfs(4)])]).changes, []);
  });

  it('has nothing to do a second time', () => {
    const planned = back({ pages: 256, vfs: noVfs }, [heldVfs(4), heldPages(256, 100)]);
    assert.deepEqual(planned, { changes: [], notes: [], left: [] });
  });

  it('leaves alone what somebody else has changed, and says what it was to be', () => {
    const planned = back({ pages: 400 }, [heldPages(256, 100)]);
    assert.deepEqual(planned.changes, []);
    assert.deepEqual(planned.notes, [
      'huge pages of 2 MiB on node 0: somebody else has made it 400 in place of 256 or 356, so it stays; it was to be 256',
    ]);
  });

  it('says what is not there any more', () => {
    const planned = back({ pages: 356 }, [heldVfs(4), heldPages(256, 100)]);
    assert.deepEqual(planned.notes, [`virtual functions of ${PF}: not there any more`]);
    assert.equal(planned.changes.length, 1);
  });

  it('goes as far as it can, and says what is left', () => {
    const planned = back({ pages: 356, facts: { busy: 300 } }, [heldPages(256, 100)]);
    assert.deepEqual(steps(planned.changes), ['set huge pages of 2 MiB on node 0 to 300']);
    assert.deepEqual(planned.left, [
      'huge pages of 2 MiB on node 0: it stays at 300 in place of 256: 300 are in use, or promised to somebody',
    ]);
    const made = { count: 4, autoprobe: false, power: 'on' };
    const open = back({ vfs: made, facts: { open: '0000:02:10.0 is open in guest "x" (pid 1)' } }, [
      heldVfs(4),
    ]);
    assert.deepEqual(
      [open.changes, open.left],
      [[], [`virtual functions of ${PF}: 0000:02:10.0 is open in guest "x" (pid 1)`]],
    );
  });
});
