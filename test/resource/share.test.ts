import assert from 'node:assert/strict';
import { kinds } from '../../src/resource/kinds.ts';
import { left, way, type Counted } from '../../src/resource/share.ts';

const pages = (number: number): { readonly pages: number } => ({ pages: number });
const open = (number: number): Counted => ({ wish: pages(number), settled: false });
const settled = (number: number): Counted => ({ wish: pages(number), settled: true });

describe('left', () => {
  it('has what is settled always, and each of the rest or not', () => {
    const states = left(kinds.hugepages, pages(10), [settled(1), open(20), open(300)]);
    assert.deepEqual(
      states.map((state) => state['pages']),
      [11, 31, 311, 331],
    );
  });

  it('is not known when more runs than could be at work have not ended', () => {
    const many = Array.from({ length: 8 }, () => open(1));
    assert.equal(left(kinds.hugepages, pages(0), many).length, 256);
    assert.deepEqual(left(kinds.hugepages, pages(0), [...many, open(1)]), []);
  });
});

describe('way', () => {
  const decide = (now: number, after: readonly number[], before: readonly Counted[]): string => {
    const decided = way(kinds.hugepages, {
      original: pages(10),
      now: pages(now),
      after: after.map(pages),
      before,
    });
    return decided.kind === 'change' ? `to ${String(decided.to['pages'])}` : decided.kind;
  };
  const rows = [
    ['nobody has been there: from the original', 10, [5], [], 'to 15'],
    ['it is so already', 15, [5], [], 'there'],
    ['with what a held claim says', 15, [5, 7], [settled(5)], 'to 22'],
    ['a held claim that is not in force', 10, [5, 7], [settled(5)], 'foreign'],
    ['a dead claim that is not in force', 10, [5, 7], [open(5)], 'to 22'],
    ['a change that was cut short', 13, [5, 7], [open(5)], 'to 22'],
    ['less than the original', 9, [5], [open(5)], 'foreign'],
    ['more than anybody wants', 16, [], [open(5)], 'foreign'],
    ['as it is to be, though nobody can have left it', 10, [], [settled(5)], 'there'],
    ['too many that are open', 12, [], Array.from({ length: 9 }, () => open(1)), 'foreign'],
  ] as const;
  for (const [what, now, after, before, expected] of rows) {
    it(`${what}: ${expected}`, () => {
      assert.equal(decide(now, after, before), expected);
    });
  }

  it('goes field by field, since a run may die between two writes', () => {
    const decided = way(kinds.vfs, {
      original: { count: 0, autoprobe: true, power: 'auto' },
      now: { count: 0, autoprobe: false, power: 'on' },
      after: [],
      before: [{ wish: { count: 4, autoprobe: false }, settled: false }],
    });
    assert.deepEqual(decided, { kind: 'change', to: { count: 0, autoprobe: true, power: 'auto' } });
  });

  it('takes no number between two for one of them where the kernel changes it at once', () => {
    const decided = way(kinds.vfs, {
      original: { count: 0, autoprobe: true, power: 'auto' },
      now: { count: 2, autoprobe: false, power: 'on' },
      after: [],
      before: [{ wish: { count: 4, autoprobe: false }, settled: false }],
    });
    assert.equal(decided.kind, 'foreign');
  });
});
