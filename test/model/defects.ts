import { claimKey } from '../../src/claim/owner.ts';
import { claimedBy } from '../scenario.ts';
import type { Claim } from '../../src/claim/claim.ts';
import type { StoredClaims } from '../../src/engine/claim-store.ts';
import type { Engine } from '../../src/engine/engine.ts';
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

const noLock: Engine['takeLock'] = () => () => undefined;

/** Every read of the claims gives what the first one gave. */
function staleClaims(engine: Engine): Engine {
  let first: StoredClaims | undefined;
  return { ...engine, store: { ...engine.store, all: () => (first ??= engine.store.all()) } };
}

function withoutGuestLock({ takeLock, ...engine }: Engine): Engine {
  return {
    ...engine,
    takeLock: (subject, deadline, options) =>
      'guest' in subject ? () => undefined : (takeLock?.(subject, deadline, options) ?? (() => undefined)),
  };
}

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
      let late: Claim | undefined;
      const writeLate = (): void => {
        if (late) engine.store.write(late);
        late = undefined;
      };
      return {
        ...engine,
        store: {
          ...engine.store,
          write: (claim) => {
            if (claim.state === 'preparing') late = claim;
            else engine.store.write(claim);
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
    name: 'no lock is taken',
    setting: setting('brief'),
    tamper: only('all', (engine) => ({ ...engine, takeLock: noLock })),
    finds: /^0000:03:00\.0 is claimed by A and by B$/,
  },
  {
    name: 'the claim is removed before the devices are back',
    setting: setting('alone'),
    tamper: only('all', (engine) => ({
      ...engine,
      store: {
        ...engine.store,
        write: (claim) => {
          if (claim.state === 'restoring') engine.store.remove(claimKey(claim.owner));
          else engine.store.write(claim);
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
    name: 'a prepare takes no lock of its guest',
    setting: setting('changingAlone', { daemonDeaths: 1 }),
    tamper: only('prepare', withoutGuestLock),
    finds: /^it is in no claim that 0000:0f:00\.1 driver override: \(null\) -> vfio-pci$/,
  },
  {
    name: 'recover removes an old claim without a lock and without a second look',
    setting: setting('alone', { reboots: 1, recoveries: 1 }),
    tamper: only('recover', (engine) => staleClaims(withoutGuestLock(engine))),
    finds: /^it is in no claim that /,
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
