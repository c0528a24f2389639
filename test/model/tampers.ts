import assert from 'node:assert/strict';
import { claimKey } from '../../src/claim/owner.ts';
import type { Claim } from '../../src/claim/claim.ts';
import type { StoredClaims } from '../../src/engine/claim-store.ts';
import type { Engine } from '../../src/engine/engine.ts';
import type { GiveUp } from '../../src/engine/flock.ts';
import type { LockName } from '../../src/engine/lock-name.ts';
import { claimedBy } from '../scenario.ts';
import type { Program } from './questions.ts';
import type { Tamper } from './runs.ts';
import { isOfWayBack } from './way-back.ts';

/*
 * What can be put between the real engine and its surroundings to seed a defect.
 */

/** Changes the engine of one kind of run, or of all. */
export function only(
  kind: Program['kind'] | 'all',
  change: (engine: Engine, program: Program) => Engine,
): Tamper {
  return (engine, program) => (kind === 'all' || program.kind === kind ? change(engine, program) : engine);
}

/** Leaves the ways back alone, which would fail before what is to be found does. */
export const inLife =
  (tamper: Tamper): Tamper =>
  (engine, program) =>
    isOfWayBack(program) ? engine : tamper(engine, program);

/** The engine as it is. */
export const as: Tamper = (engine) => engine;

/** Every read of the claims gives what the first one gave. */
export function staleClaims(engine: Engine): Engine {
  let first: StoredClaims | undefined;
  return { ...engine, store: { ...engine.store, all: () => (first ??= engine.store.all()) } };
}

type Rank = 'claim' | 'shared' | 'group';

/** A run that asks for no lock of this rank, and believes that it has them. */
export const without =
  (rank: Rank) =>
  (engine: Engine): Engine =>
    taking(engine, (name, take) => (rank in name ? () => undefined : take()));

/** How a run comes by its locks: `take` takes the one that it asks for. */
function taking(engine: Engine, how: (name: LockName, take: () => GiveUp) => GiveUp): Engine {
  const { takeLock } = engine;
  assert.ok(takeLock);
  return { ...engine, takeLock: (name, ...rest) => how(name, () => takeLock(name, ...rest)) };
}

/** A run that takes the lock of its claim when it has the first one of a group. */
export function groupsFirst(engine: Engine): Engine {
  let later: (() => GiveUp) | undefined;
  let giveUp: GiveUp | undefined;
  return taking(engine, (name, take) => {
    if ('claim' in name) {
      later = take;
      return () => giveUp?.();
    }
    const taken = take();
    giveUp ??= later?.();
    return taken;
  });
}

/** A run that gives a lock of this rank up when it asks for the next one, or, if there is none, before its first write. */
export const tooEarly =
  (rank: Rank) =>
  (engine: Engine): Engine => {
    const held = new Set<GiveUp>();
    const giveUp = (): void => {
      for (const each of held) each();
      held.clear();
    };
    const wrapped = taking(engine, (name, take) => {
      giveUp();
      const taken = take();
      if (!(rank in name)) return taken;
      held.add(taken);
      return () => {
        if (held.delete(taken)) taken();
      };
    });
    const write: Engine['host']['write'] = (...args) => {
      giveUp();
      return engine.host.write(...args);
    };
    return { ...wrapped, host: { ...engine.host, write } };
  };

/** Every claim was written by a process that is older than this one. */
export const asYoungest = (engine: Engine): Engine => ({
  ...engine,
  store: {
    ...engine.store,
    all: () => {
      const stored = engine.store.all();
      const claims = stored.claims.map((claim) => ({ ...claim, writer: { ...claim.writer, startTime: 0 } }));
      return { ...stored, claims };
    },
  },
});

/** Nobody has any device open. */
export const anyGroupFree = (engine: Engine): Engine => ({
  ...engine,
  host: { ...engine.host, tryOpen: () => 'free' },
});

/** Every claim is written after the first kernel write that it is for. */
export function claimLate(engine: Engine): Engine {
  let late: (() => void) | undefined;
  const writeLate = (): void => {
    late?.();
    late = undefined;
  };
  return {
    ...engine,
    store: {
      ...engine.store,
      write: (...args) => {
        const write = (): void => {
          engine.store.write(...args);
        };
        if (args[0].state === 'preparing') late = write;
        else write();
      },
    },
    host: {
      ...engine.host,
      write: async (...args) => {
        const result = await engine.host.write(...args);
        writeLate();
        return result;
      },
    },
  };
}

/** A claim is removed when what it is about begins to go back. */
export const claimGoneEarly = (engine: Engine): Engine => ({
  ...engine,
  store: {
    ...engine.store,
    write: (claim, by) => {
      if (claim.state === 'restoring') engine.store.remove(claimKey(claim.owner), by);
      else engine.store.write(claim, by);
    },
  },
});

/** A run that does not know of writes which have not returned. */
export const forgetful = (engine: Engine): Engine => ({
  ...engine,
  host: { ...engine.host, isAlive: () => false, blockedWrites: () => [] },
});

/** What a run reads of the claims. */
export function reading(engine: Engine, change: (claims: readonly Claim[]) => readonly Claim[]): Engine {
  const all = (): StoredClaims => {
    const stored = engine.store.all();
    return { ...stored, claims: change(stored.claims) };
  };
  return { ...engine, store: { ...engine.store, all } };
}

/** A run that knows of no guest but its own. */
export const alone = (engine: Engine, { guest }: Program): Engine =>
  reading(engine, (claims) => claims.filter((claim) => claimedBy(claim) === guest));
