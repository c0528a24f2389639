import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import { claimKey } from '../../src/claim/owner.ts';
import { decodeClaim, encodeClaim } from '../../src/claim/decode.ts';
import { defaultConfig } from '../../src/config/config.ts';
import type { StoredClaims } from '../../src/engine/claim-store.ts';
import type { Engine } from '../../src/engine/engine.ts';
import { lockSubject } from '../../src/engine/lock-name.ts';
import { VfioHookError } from '../../src/errors.ts';
import type { Host, LockedRead, ModuleResult, WriteResult } from '../../src/host/host.ts';
import { simulatedHost } from '../../simulator/host.ts';
import type { Open, Program, Question } from './questions.ts';

/** When a run starts no claim is older than a minute unless the model has aged it: `2026-01-02T03:04:05Z` and the pid in milliseconds. */
export const NOW = Date.UTC(2026, 0, 2, 3, 4, 5);

/** No real process has such a start time. Those of a guest's runs are in the order of their pids, see world.ts. */
export const FIRST_START = 4e15;

/** An engine whose every contact with the world is a question. */
export function askingEngine(program: Program, ask: (question: Question) => unknown): Engine {
  const host = askingHost(program, ask);
  const bootId = (host.read('/proc/sys/kernel/random/boot_id') ?? '').trim();
  return {
    host,
    bootId,
    store: {
      directory: '/run/vfio-hook/claims',
      all: () => ask({ ask: 'claims' }) as StoredClaims,
      // By its own `all`, so that what tampers with that tampers with this.
      one(key) {
        const { claims, damaged, outdated } = this.all();
        return {
          claims: claims.filter(({ owner }) => claimKey(owner) === key),
          damaged: damaged.filter(({ path }) => path.endsWith(`/${key}.json`)),
          outdated: outdated.filter((owner) => claimKey(owner) === key),
        };
      },
      write: (claim) => {
        const text = encodeClaim(claim);
        assert.ok('claim' in decodeClaim(text));
        ask({ ask: 'write-claim', key: claimKey(claim.owner), text });
      },
      remove: (key) => ask({ ask: 'remove-claim', key }),
    },
    takeLock: (name, _, { who, timeoutMs }) => {
      if (ask({ ask: 'lock', name, waits: timeoutMs > 0 }) !== 'taken') {
        throw new VfioHookError('VH_LOCK', `${lockSubject(name)} is being worked on, ${who} did not wait`);
      }
      return () => ask({ ask: 'unlock', name });
    },
    log: { write: () => undefined, close: () => undefined },
    stateDirectory: '/run/vfio-hook',
    trustedUid: 0,
    clock: () => new Date(NOW + program.pid),
    loadConfig: () => ({ ...defaultConfig, ...program.config }),
    hasOwnConfig: () => true,
    interrupted: () => undefined,
  };
}

/** Everything that is no question of its own is a read that the simulated machine answers at once. */
function askingHost(program: Program, asked: (question: Question) => unknown): Host {
  let asks = 0;
  const ask = (question: Question): unknown => {
    asks += 1;
    return asked(question);
  };
  const readBytes: Host['readBytes'] = (path, length) => {
    const bytes = ask({ ask: 'machine', how: 'readBytes', with: [path, length] }) as number[] | undefined;
    return bytes && Uint8Array.from(bytes);
  };
  const own: Pick<
    Host,
    | 'kind'
    | 'readBytes'
    | 'readSlow'
    | 'wideRoutes'
    | 'readLocked'
    | 'write'
    | 'loadModule'
    | 'run'
    | 'isAlive'
    | 'hasEnded'
    | 'self'
    | 'now'
    | 'pause'
  > = {
    kind: 'simulated',
    readBytes,
    // No machine of the model has a card that is slow to wake.
    readSlow: (path, length) => {
      const bytes = readBytes(path, length);
      return Promise.resolve({ kind: 'read', ...(bytes && { bytes }) });
    },
    // Nor has one of them a network that leads somewhere.
    wideRoutes: () => Promise.resolve(undefined),
    readLocked: (paths) => {
      const read = ask({ ask: 'locked', paths }) as
        { kind: 'stuck'; path: string } | { kind: 'read'; texts: [string, string][] };
      const result: LockedRead = read.kind === 'stuck' ? read : { kind: 'read', texts: new Map(read.texts) };
      return Promise.resolve(result);
    },
    write: openWrites(ask, () => asks),
    loadModule: (module) => Promise.resolve(ask({ ask: 'modprobe', module }) as ModuleResult),
    // No machine of the model has anything that a program is run for.
    run: () => Promise.resolve({ kind: 'exited', status: 1, stdout: '', stderr: '' }),
    isAlive: ({ pid, startTime }) => ask({ ask: 'alive', pid, startTime }) as boolean,
    // Either it has ended by then, or the run gives up waiting for it.
    hasEnded: ({ pid, startTime }) => Promise.resolve(ask({ ask: 'alive', pid, startTime }) !== true),
    self: () => ({ pid: program.pid, startTime: FIRST_START + program.pid }),
    now: () => 0,
    // Time does not pass: what comes of waiting is a question of order, and those are all asked.
    pause: () => Promise.resolve(),
  };
  const names = Object.keys(
    simulatedHost({ read: notAsked, update: notAsked, now: () => 0, pause: notAsked }),
  );
  const reads = names
    .filter((name) => !Object.hasOwn(own, name))
    .map((how) => [how, (...args: unknown[]): unknown => ask({ ask: 'machine', how, with: args })]);
  return { ...(Object.fromEntries(reads) as Host), ...own };
}

/** A write that a lane has made and that has not returned. */
interface OpenWrite extends Open {
  readonly settle: (value: unknown) => void;
  /** Others were open as well when it was asked about. */
  besides: boolean;
}

/**
 * Lanes make their writes side by side. When none of them gets any further, one question is asked about all writes that
 * are open, and the answer says which one returns. A write that is open alone is a question of its own.
 */
function openWrites(ask: (question: Question) => unknown, asks: () => number): Host['write'] {
  const open: OpenWrite[] = [];
  let made = 0;
  let isChoosing = false;
  const allWait = async (): Promise<void> => {
    for (let before = -1; before !== asks() + made;) {
      before = asks() + made;
      // A lane takes one turn before its next step.
      await turn();
      await turn();
    }
  };
  const choose = async (): Promise<void> => {
    await allWait();
    while (open.length > 0) {
      const [first] = open;
      const isAlone = open.length === 1 && first?.besides === false;
      for (const each of open) each.besides ||= !isAlone;
      const { id, value } = isAlone
        ? { id: first.id, value: ask(first.action) }
        : (ask({ ask: 'any', of: open.map(({ id, action }) => ({ id, action })) }) as {
            id: number;
            value: unknown;
          });
      const [settled] = open.splice(
        open.findIndex((each) => each.id === id),
        1,
      );
      settled?.settle(value);
      await allWait();
    }
  };
  return (path, value) =>
    new Promise<WriteResult>((resolve, reject) => {
      const settle = resolve as (value: unknown) => void;
      open.push({ id: (made += 1), action: { ask: 'write', path, value }, settle, besides: false });
      if (isChoosing) return;
      isChoosing = true;
      choose()
        .finally(() => {
          isChoosing = false;
        })
        .catch(reject);
    });
}

function notAsked(): never {
  return assert.fail('only the names of its methods are wanted');
}
