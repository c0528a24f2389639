import { claimKey } from '../../src/claim/owner.ts';
import { claimedBy } from '../scenario.ts';
import assert from 'node:assert/strict';
import type { StoredClaims } from '../../src/engine/claim-store.ts';
import type { Engine } from '../../src/engine/engine.ts';
import type { GiveUp } from '../../src/engine/flock.ts';
import type { LockName } from '../../src/engine/lock-name.ts';
import type { Program } from './questions.ts';
import type { Tamper } from './runs.ts';
import { setting } from './settings.ts';
import type { Setting } from './world.ts';

/** A fault of the protocol that could be made, put around the real engine. */
export interface Defect {
  readonly name: string;
  /** The smallest life in which it shows. */
  readonly setting: Setting;
  readonly tamper: Tamper;
  /** What the explorer must say of it. */
  readonly finds: RegExp;
}

/** Changes the engine of one kind of run, or of all. */
function only(kind: Program['kind'] | 'all', change: (engine: Engine, program: Program) => Engine): Tamper {
  return (engine, program) => (kind === 'all' || program.kind === kind ? change(engine, program) : engine);
}

/** The engine as it is. */
const as: Tamper = (engine) => engine;

/** Every read of the claims gives what the first one gave. */
function staleClaims(engine: Engine): Engine {
  let first: StoredClaims | undefined;
  return { ...engine, store: { ...engine.store, all: () => (first ??= engine.store.all()) } };
}

type Rank = 'claim' | 'shared' | 'group';

/** A run that asks for no lock of this rank, and believes that it has them. */
const without =
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
function groupsFirst(engine: Engine): Engine {
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
const tooEarly =
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
const asYoungest = (engine: Engine): Engine => ({
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

const anyGroupFree = (engine: Engine): Engine => ({
  ...engine,
  host: { ...engine.host, tryOpen: () => 'free' },
});

export const defects: readonly Defect[] = [
  {
    name: 'the claim is written after the first kernel write',
    setting: setting('alone'),
    tamper: only('prepare', (engine) => {
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
    }),
    finds: /^it is in no claim that 0000:03:00\.0 driver override: \(null\) -> vfio-pci$/,
  },
  {
    name: 'locks of groups keep nobody out',
    setting: { ...setting('brief'), unkept: 'group' },
    tamper: as,
    finds: /^0000:03:00\.0 is claimed by A and by B$/,
  },
  {
    name: 'the claim is removed before the devices are back',
    setting: setting('alone'),
    tamper: only('all', (engine) => ({
      ...engine,
      store: {
        ...engine.store,
        write: (claim, by) => {
          if (claim.state === 'restoring') engine.store.remove(claimKey(claim.owner), by);
          else engine.store.write(claim, by);
        },
      },
    })),
    finds: /^it is in no claim that 0000:03:00\.0 driver: amdgpu -> vfio-pci$/,
  },
  {
    name: 'a second prepare takes what the first has done for the originals',
    setting: setting('alone', { daemonDeaths: 1 }),
    tamper: only('prepare', (engine, { guest }) => ({
      ...engine,
      store: {
        ...engine.store,
        all: () => {
          const stored = engine.store.all();
          return { ...stored, claims: stored.claims.filter((claim) => claimedBy(claim) !== guest) };
        },
      },
    })),
    finds: /^the claim of A has "vfio-pci" as an original of 0000:03:00\.0, which was "amdgpu"$/,
  },
  {
    name: 'a release gives back what other guests hold, open group or not',
    setting: setting('brief'),
    tamper: only('release', (engine, program) => ({
      ...anyGroupFree(engine),
      store: {
        ...engine.store,
        all: () => {
          const stored = engine.store.all();
          const claims = stored.claims.map((claim) => ({
            ...claim,
            owner: { kind: 'guest', name: program.guest ?? '', uuid: claim.owner.uuid } as const,
          }));
          return { ...stored, claims };
        },
      },
    })),
    finds: /^A is starting and no claim of it has 0000:03:00\.0$/,
  },
  {
    name: 'recover does not look whether a guest is running',
    setting: setting('alone', { recoveries: 1 }),
    tamper: only('recover', (engine) => {
      const { host } = anyGroupFree(engine);
      return { ...engine, host: { ...host, libvirtDaemons: () => [1], guestProcess: () => undefined } };
    }),
    finds: /is written to while a guest has its group 16 open$/,
  },
  {
    name: 'recover does not know that a guest may be starting',
    setting: setting('alone', { recoveries: 1 }),
    tamper: only('recover', (engine) => ({ ...engine, clock: () => new Date(Date.UTC(2030, 0, 1)) })),
    finds: /^A is starting and its 0000:03:00\.0 is on no driver$/,
  },
  {
    name: 'recover decides from what it read before it got its locks',
    setting: setting('alone', { recoveries: 1, deaths: 1 }),
    tamper: only('recover', staleClaims),
    finds: /^A is starting and its 0000:03:00\.0 is on no driver$/,
  },
  {
    name: 'recover goes by a libvirtd that was away when it looked first',
    setting: setting('alone', { recoveries: 1, daemonDeaths: 1 }),
    tamper: only('recover', (engine) => {
      let first: readonly number[] | undefined;
      const libvirtDaemons = (): readonly number[] => (first ??= engine.host.libvirtDaemons());
      return { ...engine, host: { ...engine.host, libvirtDaemons } };
    }),
    finds: /^A is starting and its 0000:03:00\.0 is on no driver$/,
  },
  {
    name: 'a release takes away what a younger start has got',
    setting: setting('alone', { daemonDeaths: 1 }),
    tamper: only('release', asYoungest),
    finds: /^A is starting and its 0000:03:00\.0 is on no driver$/,
  },
  {
    name: 'a prepare rewrites the claim of a younger start',
    setting: setting('alone', { daemonDeaths: 1, deaths: 1, recoveries: 1 }),
    tamper: only('prepare', asYoungest),
    finds: /^A is starting and its 0000:03:00\.0 is on no driver$/,
  },
  {
    name: 'locks of claims keep nobody out',
    setting: { ...setting('changingAlone', { daemonDeaths: 1 }), unkept: 'claim' },
    tamper: as,
    finds: /^it is in no claim that 0000:0f:00\.1 driver override: \(null\) -> vfio-pci$/,
  },
  {
    name: 'locks of what is shared keep nobody out',
    setting: { ...setting('sharing'), unkept: 'shared' },
    tamper: as,
    finds: /^A is starting and allow_unsafe_interrupts is off$/,
  },
  {
    name: 'locks of claims keep nobody out, and recover removes an old claim without a second look',
    setting: { ...setting('alone', { reboots: 1, recoveries: 1 }), unkept: 'claim' },
    tamper: only('recover', staleClaims),
    finds: /^it is in no claim that /,
  },
  {
    name: 'a prepare writes the claim without its lock',
    setting: setting('alone'),
    tamper: only('prepare', without('claim')),
    finds: /^prepare of A writes the claim of A: preparing, .* without the lock of it$/,
  },
  {
    name: 'a release removes the claim without its lock',
    setting: setting('alone'),
    tamper: only('release', without('claim')),
    finds: /^release of A writes the claim of A: restoring, .* without the lock of it$/,
  },
  {
    name: 'a prepare writes to devices without the lock of their group',
    setting: setting('alone'),
    tamper: only('prepare', without('group')),
    finds: /^prepare of A writes to 0000:03:00\.0 without a lock of it$/,
  },
  {
    name: 'a prepare changes what is shared without its lock',
    setting: setting('sharing'),
    tamper: only('prepare', without('shared')),
    finds: /^prepare of [AB] writes to .*\/allow_unsafe_interrupts without a lock of it$/,
  },
  {
    name: 'the lock of a claim is taken after those of groups',
    setting: setting('alone'),
    tamper: only('release', groupsFirst),
    finds: /^release of A has the lock of IOMMU group 16 and asks for that of the claim$/,
  },
  {
    name: 'the lock of a claim is given up when the groups are locked',
    setting: setting('alone'),
    tamper: only('release', tooEarly('claim')),
    finds: /^release of A writes the claim of A: restoring, .* without the lock of it$/,
  },
  {
    name: 'the lock of a group is given up before its devices are moved',
    setting: setting('alone'),
    tamper: only('prepare', tooEarly('group')),
    finds: /^prepare of A writes to 0000:03:00\.0 without a lock of it$/,
  },
  {
    name: 'a write that hangs is forgotten',
    setting: setting('alone', { hangs: 1 }),
    tamper: only('all', (engine) => ({
      ...engine,
      host: { ...engine.host, isAlive: () => false, blockedWrites: () => [] },
    })),
    finds: /^it is in no claim that 0000:03:00\.0 driver override: \(null\) -> vfio-pci$/,
  },
];
