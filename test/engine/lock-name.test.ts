import assert from 'node:assert/strict';
import fc from 'fast-check';
import { compareLocks, lockFile, type LockName } from '../../src/engine/lock-name.ts';

const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 6 }),
  // What an encoding could mistake for its own.
  fc.string({
    unit: fc.constantFrom('%', 'u', '2', '0', 'a', '/', '.', ' ', '\0', '\ud800', 'é'),
    maxLength: 8,
  }),
);
const names: fc.Arbitrary<LockName> = fc.oneof(
  text.map((claim) => ({ claim })),
  text.map((shared) => ({ shared })),
  fc.nat({ max: 300 }).map((group) => ({ group })),
);

describe('the file of a lock', () => {
  for (const [name, file] of [
    [{ claim: 'b7a1e0d2-0d57-4b6b-9a43-4e1a2b9f0c11' }, 'claim-b7a1e0d2-0d57-4b6b-9a43-4e1a2b9f0c11'],
    [{ claim: 'manual-1' }, 'claim-manual-1'],
    [{ shared: 'hugepages 2048kB node0' }, 'shared-hugepages%202048kB%20node0'],
    [{ shared: 'vfs 0000:02:00.0' }, 'shared-vfs%200000%3a02%3a00.0'],
    [{ shared: 'unit dev-\\x2d.device' }, 'shared-unit%20dev-%5cx2d.device'],
    [{ shared: '../\u{1f4a9}*' }, 'shared-..%2f%ud83d%udca9%2a'],
    [{ group: 16 }, 'group-16'],
  ] as const) {
    it(`has a name that a shell and a terminal can take: ${file}`, () => {
      assert.equal(lockFile(name), file);
    });
  }

  it('can be read back, so that it is another one for another lock, and is never more than a name', () => {
    fc.assert(
      fc.property(names, (name) => {
        const file = lockFile(name);
        assert.match(file, /^(claim|shared|group)-[\w.%-]*$/);
        assert.deepEqual(readBack(file), name);
      }),
    );
  });
});

function readBack(file: string): LockName {
  const [, rank, encoded = ''] = /^([a-z]+)-(.*)$/.exec(file) ?? [];
  const text = encoded.replace(/%u(....)|%(..)/g, (_, long?: string, short?: string) =>
    String.fromCharCode(parseInt(long ?? short ?? '', 16)),
  );
  if (rank === 'group') return { group: Number(text) };
  return rank === 'claim' ? { claim: text } : { shared: text };
}

describe('the order of locks', () => {
  it('is one for all: of two locks one comes first, and of three as well', () => {
    fc.assert(
      fc.property(names, names, names, (a, b, c) => {
        assert.equal(Math.sign(compareLocks(a, b)), -Math.sign(compareLocks(b, a)) + 0);
        assert.equal(compareLocks(a, b) === 0, lockFile(a) === lockFile(b));
        if (compareLocks(a, b) < 0 && compareLocks(b, c) < 0) assert.ok(compareLocks(a, c) < 0);
      }),
    );
  });

  it('is claims, what is shared, groups; these by number, the others by name', () => {
    const ordered: LockName[] = [
      { claim: 'a' },
      { claim: 'b' },
      { shared: 'Z' },
      { shared: 'a' },
      { group: 9 },
      { group: 16 },
      { group: 100 },
    ];
    assert.deepEqual([...ordered].reverse().sort(compareLocks), ordered);
  });
});
