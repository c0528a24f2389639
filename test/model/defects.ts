import { claimedBy } from '../scenario.ts';
import type { Tamper } from './runs.ts';
import { holdDefects } from './hold-defects.ts';
import { setting } from './settings.ts';
import { sliceDefects } from './slice-defects.ts';
import {
  anyGroupFree,
  as,
  asYoungest,
  claimGoneEarly,
  claimLate,
  forgetful,
  groupsFirst,
  only,
  reading,
  staleClaims,
  tooEarly,
  without,
} from './tampers.ts';
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

/** What the explorer must find. */
export const defects: readonly Defect[] = [
  {
    name: 'the claim is written after the first kernel write',
    setting: setting('alone'),
    tamper: only('prepare', claimLate),
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
    tamper: only('all', claimGoneEarly),
    finds: /^it is in no claim that 0000:03:00\.0 driver: amdgpu -> vfio-pci$/,
  },
  {
    name: 'a second prepare takes what the first has done for the originals',
    setting: setting('alone', { daemonDeaths: 1 }),
    tamper: only('prepare', (engine, { guest }) =>
      reading(engine, (claims) => claims.filter((claim) => claimedBy(claim) !== guest)),
    ),
    finds: /^the claim of A has "vfio-pci" as an original of 0000:03:00\.0, which was "amdgpu"$/,
  },
  {
    name: 'a release gives back what other guests hold, open group or not',
    setting: setting('brief'),
    tamper: only('release', (engine, { guest: name = '' }) =>
      reading(anyGroupFree(engine), (claims) =>
        claims.map((claim) => ({
          ...claim,
          owner: { kind: 'guest', name, uuid: claim.owner.uuid },
        })),
      ),
    ),
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
    tamper: only('all', forgetful),
    finds: /^no claim is about the write of vfio-pci to .*0000:03:00\.0\/driver_override, which has not/,
  },
  ...holdDefects,
  ...sliceDefects,
];
