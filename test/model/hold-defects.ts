import { sysfs } from '../../src/pci/sysfs.ts';
import { claimedBy } from '../scenario.ts';
import type { Defect } from './defects.ts';
import { CARD } from './cut-down.ts';
import { setting } from './settings.ts';
import {
  alone,
  anyGroupFree,
  as,
  claimGoneEarly,
  claimLate,
  forgetful,
  inLife,
  only,
  reading,
  without,
} from './tampers.ts';

/** A pool's file, and that of a card by which it sleeps. */
const POOL = '/nr_hugepages';
const POWER = `${CARD}/power/control`;

/** Faults of the protocol by which what is held besides devices gets lost, or is missing where it was promised. */
export const holdDefects: readonly Defect[] = [
  {
    name: 'a start takes what others have made of a pool for what was there',
    setting: setting('pool'),
    tamper: only('prepare', alone),
    finds: /^the claim of [AB] has \{"pages":[45]\} as an original of 2048kB node0, which was \{"pages":2\}$/,
  },
  {
    name: 'a start takes virtual functions that were made for another guest for the administrator’s',
    setting: setting('functions'),
    tamper: only('prepare', alone),
    finds: /^the claim of [AB] has \{"count":2,.*\} as an original of 0000:02:00\.0, which was \{"count":0,/,
  },
  {
    name: 'the claim is written after huge pages were added',
    setting: setting('pool'),
    tamper: only('prepare', claimLate),
    finds: /^it is in no claim that huge pages of 2048 kB on node 0: 2 -> [45]$/,
  },
  {
    name: 'the claim is removed before the virtual functions are gone',
    setting: setting('madeOnce'),
    tamper: only('all', claimGoneEarly),
    finds: /^it is in no claim that 0000:02:00\.0 power control: auto -> on$/,
  },
  {
    name: 'a virtual function is moved before it is in the claim',
    setting: setting('madeOnce'),
    tamper: only('prepare', (engine) => ({
      ...engine,
      store: {
        ...engine.store,
        write: (claim, by) => {
          if (claim.state !== 'preparing' || claim.devices.length === 0) engine.store.write(claim, by);
        },
      },
    })),
    finds: /^it is in no claim that 0000:02:10\.0 driver override: absent -> vfio-pci$/,
  },
  {
    name: 'a release takes what another guest has added to a pool for an administrator’s',
    setting: setting('pool'),
    tamper: inLife(only('release', alone)),
    finds: /^recover does not lead back: huge pages of 2048 kB on node 0: 2 -> [57]$/,
  },
  {
    name: 'a start is told that it has its pages and got too few',
    setting: setting('pool'),
    tamper: only('prepare', (engine) => ({
      ...engine,
      host: {
        ...engine.host,
        write: (path, value, ...rest) =>
          engine.host.write(path, path.endsWith(POOL) ? String(Number(value) - 1) : value, ...rest),
        read: (path) => {
          const text = engine.host.read(path);
          return path.endsWith(POOL) && Number(text) > 2 ? String(Number(text) + 1) : text;
        },
      },
    })),
    finds: /^[AB] is starting and the pool has [34] pages in place of [45]$/,
  },
  {
    name: 'a release takes virtual functions away that another guest was promised',
    setting: setting('functions'),
    tamper: only('release', alone),
    finds: /^[AB] is starting and its 0000:02:10\.[02] is gone$/,
  },
  {
    name: 'a release takes virtual functions away that another guest has open',
    setting: setting('functions'),
    tamper: only('release', (engine, { guest }) => {
      const isOpen = (group: number): boolean => engine.host.tryOpen(sysfs.vfioGroup(group)) === 'busy';
      return reading(anyGroupFree(engine), (claims) =>
        claims.filter((claim) => claimedBy(claim) === guest || !claim.groups.some(isOpen)),
      );
    }),
    finds: /^0000:02:00\.0 is written to while a guest has its group [01] open$/,
  },
  {
    name: 'a release believes that the virtual functions are gone',
    setting: setting('madeOnce'),
    tamper: inLife(
      only('release', (engine) => ({
        ...engine,
        host: {
          ...engine.host,
          readLocked: async (paths, deadlineMs) => {
            const read = await engine.host.readLocked(paths, deadlineMs);
            if (read.kind === 'stuck') return read;
            const isNumber = (path: string): boolean => path.endsWith('sriov_numvfs');
            const texts = [...read.texts].map(([path, text]) => [path, isNumber(path) ? '0' : text] as const);
            return { kind: 'read', texts: new Map(texts) };
          },
        },
      })),
    ),
    finds: /^it is in no claim that 0000:02:00\.0 virtual functions: 0 -> 2$/,
  },
  {
    name: 'a release believes that the card may sleep again',
    setting: setting('madeOnce'),
    tamper: inLife(
      only('release', (engine) => ({
        ...engine,
        host: {
          ...engine.host,
          read: (path) => (path.endsWith(POWER) ? 'auto' : engine.host.read(path)),
        },
      })),
    ),
    finds: /^it is in no claim that 0000:02:00\.0 power control: auto -> on$/,
  },
  {
    name: 'a release believes that the pool is as it was',
    setting: setting('pool'),
    tamper: inLife(
      only('release', (engine) => ({
        ...engine,
        host: {
          ...engine.host,
          read: (path) => (path.endsWith(POOL) ? '2' : engine.host.read(path)),
        },
      })),
    ),
    finds: /^it is in no claim that huge pages of 2048 kB on node 0: 2 -> [45]$/,
  },
  {
    name: 'locks of pools keep nobody out',
    setting: { ...setting('pool'), unkept: 'shared' },
    tamper: as,
    finds: /^[AB] is starting and the pool has 4 pages in place of 5$/,
  },
  {
    name: 'locks of cards keep nobody out',
    setting: { ...setting('functions'), unkept: 'shared' },
    tamper: as,
    finds: /^prepare of [AB] fails: there is no PCI device 0000:02:10\.[02] on this host$/,
  },
  {
    name: 'a start adds huge pages without the lock of their pool',
    setting: setting('pool'),
    tamper: only('prepare', without('shared')),
    finds: /^prepare of [AB] writes to .*\/nr_hugepages without a lock of it$/,
  },
  {
    name: 'a start makes virtual functions without the lock of the card',
    setting: setting('madeOnce'),
    tamper: only('prepare', without('shared')),
    finds: /^prepare of A writes to 0000:02:00\.0 without a lock of it$/,
  },
  {
    name: 'the second round takes no locks',
    setting: setting('madeOnce'),
    tamper: only('prepare', without('group')),
    finds: /^prepare of A writes to 0000:02:10\.0 without a lock of it$/,
  },
  {
    name: 'a write to a card that hangs is forgotten',
    setting: setting('madeOnce', { hangs: 1 }),
    tamper: only('all', forgetful),
    finds: /^no claim is about the write of on to .*0000:02:00\.0\/power\/control, which has not returned$/,
  },
];
