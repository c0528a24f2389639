import assert from 'node:assert/strict';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { hintText } from '../../src/hint.ts';
import type { Claim } from '../../src/claim/claim.ts';
import { encodeClaim } from '../../src/claim/decode.ts';
import { guestOwner } from '../../src/claim/owner.ts';
import {
  openClaimStore,
  refuseDamaged,
  type ClaimStore,
  type StoredClaims,
} from '../../src/engine/claim-store.ts';
import type { HeldLocks } from '../../src/engine/lock-name.ts';
import { VfioHookError } from '../../src/errors.ts';
import { everyLock, failureOf, guest, scenarios, stateDirectory, type Scenario } from '../scenario.ts';
import { rmSync } from 'node:fs';

const GPU = '0000:03:00.0';
const win11 = guest('win11', GPU);
const isRoot = process.getuid?.() === 0;

describe('a claim file that is damaged', () => {
  const scenario = scenarios();

  /** A guest with a claim, and where it is. */
  async function claimed(): Promise<{ s: Scenario; name: string; text: string }> {
    const s = scenario();
    await s.prepare(win11);
    const [name] = readdirSync(join(s.directory, 'run/claims'));
    const text = readFileSync(join(s.directory, 'run/claims', name!), 'utf8');
    s.writes();
    return { s, name: name!, text };
  }

  /** Nobody acts on it, nobody crashes, and whoever asks is told. */
  async function distrusted(s: Scenario, reason: RegExp): Promise<void> {
    const before = s.observation();
    for (const who of [win11, guest('other', GPU), guest('third', '0000:0f:00.3')]) {
      const error = await failureOf(s.prepare(who));
      assert.equal(error.code, 'VH_CLAIM', error.message);
      assert.match(error.message, reason);
      assert.equal(
        error.hints.map(hintText)[0],
        'nothing was changed; look at the file, put its devices back by hand, then remove it',
      );
    }
    assert.equal((await failureOf(s.release('win11'))).code, 'VH_CLAIM');
    assert.deepEqual(await s.recover(), []);
    assert.deepEqual(s.writes(), []);
    assert.deepEqual(s.observation(), before);
  }

  it('is not trusted at any length at which it may be torn', async () => {
    const { s, name, text } = await claimed();
    const store = s.engine().store;
    const bytes = Buffer.from(text);
    // The last byte is the newline: without it the claim is whole.
    for (let length = 0; length < bytes.length - 1; length += 1) {
      s.damage(name, bytes.subarray(0, length));
      const { claims, damaged, outdated } = store.all();
      assert.deepEqual([claims.length, damaged.length, outdated.length], [0, 1, 0], `${length} bytes`);
      assert.match(damaged[0]!.reason, /^the file is (empty|no whole JSON document)$/);
    }
    s.damage(name, bytes.subarray(0, bytes.length - 1));
    assert.equal(store.all().claims.length, 1);
    s.damage(name, bytes.subarray(0, 200));
    await distrusted(s, /the file is no whole JSON document$/);
  });

  it('is not trusted when it is empty or full of zero bytes, as after a power cut', async () => {
    const { s, name } = await claimed();
    s.damage(name, '');
    await distrusted(s, /the file is empty$/);
    s.damage(name, new Uint8Array(512));
    await distrusted(s, /the file is no whole JSON document$/);
  });

  it('is not trusted when it is of another version', async () => {
    const { s, name, text } = await claimed();
    s.damage(name, text.replace('"version": 3', '"version": 1'));
    await distrusted(s, /its version is 1, not 2 or 3$/);
  });

  it('is not trusted when it reads as a claim, but is not the one that was written', async () => {
    const { s, name, text } = await claimed();
    for (const [from, to] of [
      ['"amdgpu"', '"radeon"'],
      ['0000:03:00.1', '0000:13:00.1'],
      [s.machine.state().bootId, 'of another boot'],
      [/,\n "checksum": "\w+"/, ''],
    ] as const) {
      s.damage(name, text.replace(from, to));
      await distrusted(s, /its checksum is wrong: it was damaged or edited since it was written$/);
    }
  });

  it('is not trusted under another guest’s name', async () => {
    const { s, name } = await claimed();
    const directory = join(s.directory, 'run/claims');
    renameSync(join(directory, name), join(directory, 'win12.json'));
    await distrusted(s, /win12\.json cannot be trusted: it is the claim of guest [0-9a-f-]{36}$/);
  });

  it('is not trusted when others may have written it', async () => {
    const { s, name } = await claimed();
    chmodSync(join(s.directory, 'run/claims', name), 0o622);
    await distrusted(s, /everybody may write to it \(mode 0622\)$/);
  });

  it('is not trusted when it belongs to somebody else', async function () {
    if (!isRoot) this.skip();
    const { s, name } = await claimed();
    chownSync(join(s.directory, 'run/claims', name), 12345, 12345);
    await distrusted(s, /it belongs to uid 12345, not to root$/);
  });

  it('is not trusted when it is a link that leads away, a directory or no UTF-8', async () => {
    const { s, name, text } = await claimed();
    const path = join(s.directory, 'run/claims', name);
    writeFileSync(join(s.directory, 'elsewhere'), text, { mode: 0o600 });
    rmSync(path);
    symlinkSync(join(s.directory, 'elsewhere'), path);
    await distrusted(s, /it is a link that leads outside/);
    rmSync(path);
    mkdirSync(path);
    await distrusted(s, /it is a directory$/);
    rmSync(path, { recursive: true });
    s.damage(name, Buffer.from([0xff, 0xfe]));
    await distrusted(s, /it is not written in UTF-8$/);
  });

  it('does not matter when it is only the unfinished replacement of a whole one', async () => {
    const { s, name } = await claimed();
    s.damage(`.${name}.new`, '{ "version":');
    assert.equal(s.engine().store.all().damaged.length, 0);
    await s.release('win11');
    s.nothingDiffers();
  });

  it('is never guessed at, whatever it contains', async () => {
    const { s, name, text } = await claimed();
    const store = s.engine().store;
    const whole = JSON.parse(text) as Record<string, unknown>;
    const change = fc.record({ key: fc.constantFrom(...Object.keys(whole)), value: fc.jsonValue() });
    fc.assert(
      fc.property(
        fc.oneof(
          fc.json(),
          fc.string(),
          change.map(({ key, value }) => JSON.stringify({ ...whole, [key]: value })),
        ),
        (content) => {
          s.damage(name, content);
          const { claims, damaged, outdated } = store.all();
          assert.equal(claims.length + damaged.length + outdated.length, 1);
          for (const claim of claims) {
            assert.equal(claim.owner.uuid, win11.uuid);
            assert.equal(claim.bootId, s.machine.state().bootId);
            assert.ok(
              claim.devices.every(({ address }) =>
                /^[0-9a-f]{4,8}:[0-9a-f]{2}:[01][0-9a-f]\.[0-7]$/.test(address),
              ),
            );
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe('openClaimStore', () => {
  const trustedUid = process.getuid?.() ?? 0;
  let root = '';
  let store: ClaimStore;

  beforeEach(() => {
    root = stateDirectory();
    store = openClaimStore({ stateDirectory: join(root, 'run'), trustedUid, bootId: 'boot' });
  });
  afterEach(() => {
    rmSync(root, { recursive: true });
  });

  const claim = (uuid: string, rest: Partial<Claim> = {}): Claim => ({
    version: 3,
    bootId: 'boot',
    owner: { kind: 'guest', name: uuid, uuid },
    state: 'held',
    claimedAt: '2026-01-01T00:00:00.000Z',
    writer: { pid: 1, startTime: 1 },
    kernelWriteTimeout: 1,
    groups: [],
    devices: [],
    holds: [],
    stuck: [],
    leftovers: [],
    ...rest,
  });

  it('makes its directories at the first write, for its own user alone', () => {
    assert.deepEqual(store.all(), { claims: [], damaged: [], outdated: [] });
    assert.equal(existsSync(join(root, 'run')), false);
    store.write(claim('a'), everyLock);
    for (const path of ['run', 'run/claims'])
      assert.equal(statSync(join(root, path)).mode & 0o777, 0o700, path);
    assert.equal(statSync(join(root, 'run/claims/a.json')).mode & 0o777, 0o600);
  });

  it('reads back what it wrote, in order of file names', () => {
    const written = [claim('b', { leftovers: ['a lot'] }), claim('a')];
    for (const each of written) store.write(each, everyLock);
    assert.deepEqual(store.all().claims, [written[1], written[0]]);
    store.write(claim('b', { state: 'stuck' }), everyLock);
    assert.equal(store.all().claims[1]!.state, 'stuck');
  });

  it('reads one by its key, and nothing where there is none', () => {
    store.write(claim('a'), everyLock);
    store.write(claim('b'), everyLock);
    store.write(claim('c', { bootId: 'another' }), everyLock);
    writeFileSync(join(root, 'run/claims/d.json'), '{', { mode: 0o600 });
    assert.deepEqual(store.one('b'), { claims: [claim('b')], damaged: [], outdated: [] });
    assert.deepEqual(store.one('c').outdated, [claim('c').owner]);
    assert.equal(store.one('d').damaged.length, 1);
    assert.deepEqual(store.one('e'), { claims: [], damaged: [], outdated: [] });
  });

  it('tells the claims of another boot apart', () => {
    store.write(claim('a', { bootId: 'another' }), everyLock);
    store.write(claim('b'), everyLock);
    const { claims, outdated } = store.all();
    assert.deepEqual([claims.map(({ owner: { uuid } }) => uuid), outdated], [['b'], [claim('a').owner]]);
  });

  it('removes a claim, also one that is gone already', () => {
    store.write(claim('a'), everyLock);
    store.remove('a', everyLock);
    store.remove('a', everyLock);
    assert.deepEqual(readdirSync(store.directory), []);
  });

  it('is changed by nobody who does not have the lock of the very claim', () => {
    store.write(claim('a'), everyLock);
    const before = readFileSync(join(store.directory, 'a.json'), 'utf8');
    const others: HeldLocks = { holds: (name) => !('claim' in name && name.claim === 'a') };
    const fault = { name: 'Error', message: 'a claim is changed by a run that does not have claim-a' };
    assert.throws(() => {
      store.write(claim('a', { state: 'stuck' }), others);
    }, fault);
    assert.throws(() => {
      store.remove('a', others);
    }, fault);
    assert.equal(readFileSync(join(store.directory, 'a.json'), 'utf8'), before);
    assert.deepEqual(readdirSync(store.directory), ['a.json']);
  });

  it('writes no claim that it could not read back', () => {
    const broken = claim('a', { groups: [-1] });
    assert.throws(
      () => {
        store.write(broken, everyLock);
      },
      (error) =>
        error instanceof VfioHookError &&
        error.code === 'VH_CLAIM' &&
        error.message.includes('groups is no whole number'),
    );
    assert.deepEqual(store.all().claims, []);
    assert.ok(encodeClaim(broken).includes('-1'));
  });

  it('does not go through a directory that others may write to', () => {
    store.write(claim('a'), everyLock);
    chmodSync(store.directory, 0o777);
    assert.throws(() => store.all(), { code: 'VH_CLAIM' });
    assert.throws(
      () => {
        store.write(claim('b'), everyLock);
      },
      { code: 'VH_CLAIM', message: `${store.directory} is no directory that only root can enter` },
    );
  });

  it('does not go through a link in the place of its directory', () => {
    mkdirSync(join(root, 'run'), { mode: 0o700 });
    mkdirSync(join(root, 'trap'), { mode: 0o700 });
    symlinkSync(join(root, 'trap'), join(root, 'run/claims'));
    assert.throws(
      () => {
        store.write(claim('a'), everyLock);
      },
      { code: 'VH_CLAIM' },
    );
    assert.deepEqual(readdirSync(join(root, 'trap')), []);
  });
});

describe('refuseDamaged', () => {
  it('lets pass only a store in which every file is a claim, of this boot or an earlier one', () => {
    const fine: StoredClaims = { claims: [], damaged: [], outdated: [guestOwner(guest('a'))] };
    assert.doesNotThrow(() => {
      refuseDamaged(fine);
    });
    const damaged = [{ path: '/x', reason: 'it is torn' }];
    assert.throws(
      () => {
        refuseDamaged({ ...fine, damaged });
      },
      { code: 'VH_CLAIM', message: 'the claim /x cannot be trusted: it is torn' },
    );
  });
});

describe('a disk that takes no claim', () => {
  const scenario = scenarios();

  for (const errno of ['ENOSPC', 'EACCES', 'EROFS']) {
    const failing =
      (onlyState?: string): Scenario['wrapStore'] =>
      (store) => ({
        ...store,
        write: (claim, by) => {
          if (onlyState !== undefined && claim.state !== onlyState) {
            store.write(claim, by);
            return;
          }
          throw new VfioHookError('VH_CLAIM', `cannot write ${store.directory}: ${errno}`, { errno });
        },
      });

    it(`refuses the start before the first change: ${errno}`, async () => {
      const s = scenario();
      s.wrapStore = failing();
      const error = await failureOf(s.prepare(win11));
      assert.equal(error.code, 'VH_CLAIM');
      assert.equal(error.errno, errno);
      assert.deepEqual(s.writes(), []);
      s.wrapStore = (store) => store;
      s.nothingDiffers();
    });

    it(`rolls the start back when it fails at the end: ${errno}`, async () => {
      const s = scenario();
      s.wrapStore = failing('held');
      const error = await failureOf(s.prepare(win11));
      assert.match(
        error.message,
        new RegExp(`${errno}; guest "win11" is not started and everything is as it was$`),
      );
      s.wrapStore = (store) => store;
      s.nothingDiffers();
    });
  }

  it('leaves no claim behind when it is there already, and only may not last', async () => {
    const s = scenario();
    s.wrapStore = (store) => ({
      ...store,
      write: (claim, by) => {
        store.write(claim, by);
        throw new VfioHookError('VH_CLAIM', `cannot write ${store.directory}: EIO`, { errno: 'EIO' });
      },
    });
    assert.equal((await failureOf(s.prepare(win11))).errno, 'EIO');
    assert.deepEqual(s.writes(), []);
    s.wrapStore = (store) => store;
    s.nothingDiffers();
  });

  it('is what a file in the place of the directory is, too', async () => {
    const s = scenario();
    writeFileSync(join(s.directory, 'run'), '');
    const error = await failureOf(s.prepare(win11));
    assert.equal(error.code, 'VH_CLAIM');
    assert.deepEqual(s.writes(), []);
  });
});
