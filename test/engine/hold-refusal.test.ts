import assert from 'node:assert/strict';
import type { GuestOwner } from '../../src/claim/claim.ts';
import { holdRefusal } from '../../src/engine/hold-refusal.ts';
import { advice, hintText } from '../../src/hint.ts';
import type { HoldPlan, HoldRefusal } from '../../src/resource/plan-holds.ts';

const owner: GuestOwner = { kind: 'guest', name: 'a', uuid: '6e9d6d4c-6b1b-4a0c-8f0a-0d6f9c1f2b3a' };

function said(...refusals: readonly HoldRefusal[]): readonly string[] {
  const plan: HoldPlan = { refusals, dropped: [], holds: [], changes: [], later: [], notes: [] };
  const error = holdRefusal(owner, plan);
  if (!error) return [];
  assert.equal(error.code, 'VH_REFUSED');
  return [error.message, ...error.hints.map(hintText)];
}

const slow = (policy: number, reason = 'it is slow'): HoldRefusal => ({
  kind: 'frequency',
  key: `policy${policy}`,
  reason,
  hints: [advice(`help for: ${reason}`)],
});
const pages: HoldRefusal = { kind: 'hugepages', key: '2048kB', reason: 'it is slow', hints: [] };

describe('what refused holds come to', () => {
  it('is nothing without any', () => {
    assert.deepEqual(said(), []);
  });

  it('is the first one, with the others as hints', () => {
    assert.deepEqual(said(slow(0), pages, slow(1, 'it is new')), [
      'guest "a" cannot have CPU frequency of policy0: it is slow',
      'help for: it is slow',
      'also huge pages of 2 MiB: it is slow',
      'also CPU frequency of policy1: it is new',
      'help for: it is new',
    ]);
  });

  it('says once what is the same for several', () => {
    assert.deepEqual(said(slow(0), slow(1, 'it is new'), slow(2), slow(3, 'it is new'), slow(4)), [
      'guest "a" cannot have CPU frequency of policy0: it is slow',
      'help for: it is slow',
      'the same is true of CPU frequency of policy2, CPU frequency of policy4',
      'also CPU frequency of policy1, CPU frequency of policy3: it is new',
      'help for: it is new',
    ]);
  });

  it('names no hundreds', () => {
    const all = Array.from({ length: 128 }, (_, policy) => slow(policy));
    assert.equal(
      said(...all).at(-1),
      'the same is true of CPU frequency of policy1, CPU frequency of policy2, CPU frequency of policy3, CPU frequency of policy4 and 123 more',
    );
  });
});
