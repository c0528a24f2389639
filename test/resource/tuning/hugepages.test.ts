import assert from 'node:assert/strict';
import { hintText } from '../../../src/hint.ts';
import type { PoolFacts } from '../../../src/resource/facts.ts';
import type { Ahead, Refusal } from '../../../src/resource/kind.ts';
import { hugepages } from '../../../src/resource/tuning/hugepages.ts';
import { describeStep } from '../../../src/steps/index.ts';
import { freePool } from '../generators.ts';

type Change = Ahead<{ readonly pages: number }, PoolFacts>;

const change = (from: number, to: number, facts: Partial<PoolFacts> = {}, key = '2048kB node0'): Change => ({
  key,
  seen: { state: { pages: from }, facts: { ...freePool, ...facts } },
  to: { pages: to },
});
const steps = (ahead: Change): string[] => hugepages.steps(ahead).map(describeStep);

const guarded = (ahead: Change): readonly Refusal[] => hugepages.guard?.(ahead, []) ?? [];
const reached = (ahead: Change): ReturnType<NonNullable<typeof hugepages.reach>> =>
  hugepages.reach?.(ahead, []);

describe('huge pages', () => {
  it('are the sum of all wishes on top of what was there', () => {
    assert.deepEqual(hugepages.target({ pages: 256 }, [{ pages: 4096 }, { pages: 10 }]), { pages: 4362 });
  });

  it('of all sizes and nodes are changed by one run at a time', () => {
    assert.equal(hugepages.lock('2048kB'), hugepages.lock('1048576kB node1'));
  });

  it('of one size are held for nodes or as a whole', () => {
    const overlaps = (a: string, b: string): boolean | undefined => hugepages.overlaps?.(a, b);
    assert.equal(overlaps('2048kB', '2048kB node0'), true);
    assert.equal(overlaps('2048kB node0', '2048kB'), true);
    assert.equal(overlaps('2048kB', '2048kB'), false);
    assert.equal(overlaps('2048kB node0', '2048kB node1'), false);
    assert.equal(overlaps('2048kB', '1048576kB node0'), false);
  });

  describe('steps', () => {
    const set = 'set huge pages of 2 MiB on node 0 to 100';
    it('are one write where there are unbroken blocks enough', () => {
      assert.deepEqual(steps(change(60, 100, { whole: 40 })), [set]);
    });

    it('compact the memory first where there are not', () => {
      assert.deepEqual(steps(change(60, 100, { whole: 39 })), ['compact the memory of node 0', set]);
      assert.deepEqual(steps(change(60, 100, { whole: 39 }, '2048kB')), [
        'compact the memory',
        'set huge pages of 2 MiB to 100',
      ]);
    });

    it('do without where the kernel cannot, and on the way back', () => {
      assert.deepEqual(steps(change(60, 100, { whole: 0, compacts: false })), [set]);
      assert.deepEqual(steps(change(300, 100, { whole: 0 })), [set]);
    });

    it('are none where the pool is as it is to be', () => {
      assert.deepEqual(steps(change(100, 100, { whole: 0 })), []);
    });
  });

  describe('guard', () => {
    it('takes no more memory than the host can spare', () => {
      assert.deepEqual(guarded(change(0, 4096, { room: 4096 })), []);
      const [refusal] = guarded(change(256, 4352, { room: 4095 }));
      assert.equal(refusal?.reason, '4096 more need 8 GiB, and the host can spare 7.9 GiB');
      assert.deepEqual(refusal.hints.map(hintText), [
        'end a program or a guest that has the memory, or ask for fewer pages',
        'another node may have more: leave node away, or see /sys/devices/system/node/node*/meminfo',
      ]);
    });

    it('says it in the unit that fits', () => {
      const [refusal] = guarded(change(0, 3, { room: 1 }, '2048kB'));
      assert.equal(refusal?.reason, '3 more need 6 MiB, and the host can spare 2 MiB');
      assert.equal(hintText(refusal.hints[1]!), 'see how much there is: grep MemAvailable /proc/meminfo');
    });

    it('does not keep a pool from getting smaller on a host without memory', () => {
      assert.deepEqual(guarded(change(100, 10, { room: 0 })), []);
    });
  });

  describe('on the way back', () => {
    it('go all the way where nobody uses them', () => {
      assert.equal(reached(change(4352, 256, { busy: 256 })), undefined);
    });

    it('stay as far as somebody uses them or was promised them', () => {
      assert.deepEqual(reached(change(4352, 256, { busy: 257 })), {
        to: { pages: 257 },
        left: 'it stays at 257 in place of 256: 257 are in use, or promised to somebody',
      });
    });

    it('are never more than before, also where some in use are lent', () => {
      assert.deepEqual(reached(change(300, 256, { busy: 400 }))?.to, { pages: 300 });
    });
  });
});
