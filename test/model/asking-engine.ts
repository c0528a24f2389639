import { claimKey } from '../../src/claim/owner.ts';
import assert from 'node:assert/strict';
import { decodeClaim, encodeClaim } from '../../src/claim/decode.ts';
import { defaultConfig } from '../../src/config/config.ts';
import type { StoredClaims } from '../../src/engine/claim-store.ts';
import type { Engine } from '../../src/engine/engine.ts';
import { lockSubject } from '../../src/engine/lock-name.ts';
import { VfioHookError } from '../../src/errors.ts';
import type { Host, LockedRead, ModuleResult, WriteResult } from '../../src/host/host.ts';
import { simulatedHost } from '../../simulator/host.ts';
import type { Program, Question } from './questions.ts';

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
    interrupted: () => undefined,
  };
}

/** Everything that is no question of its own is a read that the simulated machine answers at once. */
function askingHost(program: Program, ask: (question: Question) => unknown): Host {
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
    | 'isAlive'
    | 'hasEnded'
    | 'self'
    | 'now'
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
    write: (path, value) => Promise.resolve(ask({ ask: 'write', path, value }) as WriteResult),
    loadModule: (module) => Promise.resolve(ask({ ask: 'modprobe', module }) as ModuleResult),
    isAlive: ({ pid, startTime }) => ask({ ask: 'alive', pid, startTime }) as boolean,
    // Either it has ended by then, or the run gives up waiting for it.
    hasEnded: ({ pid, startTime }) => Promise.resolve(ask({ ask: 'alive', pid, startTime }) !== true),
    self: () => ({ pid: program.pid, startTime: FIRST_START + program.pid }),
    now: () => 0,
  };
  const names = Object.keys(
    simulatedHost({ read: notAsked, update: notAsked, now: () => 0, pause: notAsked }),
  );
  const reads = names
    .filter((name) => !Object.hasOwn(own, name))
    .map((how) => [how, (...args: unknown[]): unknown => ask({ ask: 'machine', how, with: args })]);
  return { ...(Object.fromEntries(reads) as Host), ...own };
}

function notAsked(): never {
  return assert.fail('only the names of its methods are wanted');
}
