import type { Engine } from '../../src/engine/engine.ts';
import { claimedBy } from '../scenario.ts';
import { SLICES, VGPU_FUNCTIONS } from './cut-down.ts';
import type { Defect } from './defects.ts';
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

const [SLICE] = SLICES;
const [VGPU] = VGPU_FUNCTIONS;

/** Nobody has anything open, and no guest runs. */
function blind(engine: Engine): Engine {
  const { host, ...free } = anyGroupFree(engine);
  return { ...free, host: { ...host, libvirtDaemons: () => [1], guestProcess: () => undefined } };
}

/** A run that knows of the writes which claims have recorded, and of no others. */
const unasked = (engine: Engine): Engine => ({
  ...engine,
  host: { ...engine.host, blockedWrites: () => [] },
});

/** Faults of the protocol by which a part of a card is lost, or is not there for whom it was promised. */
export const sliceDefects: readonly Defect[] = [
  {
    name: 'the claim is written after a mediated device was made',
    setting: setting('mediatedOnce'),
    tamper: only('prepare', claimLate),
    finds: /^it is in no claim that mediated device .*1001: absent -> labvgpu-1 on labvgpu0$/,
  },
  {
    name: 'the claim is removed before the mediated device is',
    setting: setting('mediatedOnce'),
    tamper: only('all', claimGoneEarly),
    finds: /^it is in no claim that mediated device .*1001: absent -> labvgpu-1 on labvgpu0$/,
  },
  {
    name: 'a release believes that the mediated device is gone',
    setting: setting('mediatedOnce'),
    tamper: inLife(
      only('release', (engine) => ({
        ...engine,
        host: {
          ...engine.host,
          readLink: (path) => (path.endsWith(SLICE) ? undefined : engine.host.readLink(path)),
        },
      })),
    ),
    finds: /^it is in no claim that mediated device .*1001: absent -> labvgpu-1 on labvgpu0$/,
  },
  {
    name: 'a start takes a mediated device that was made for another guest for the administrator’s',
    setting: setting('sameMediated'),
    tamper: only('prepare', alone),
    finds:
      /^the claim of [AB] has \{"parent":"labvgpu0",.*\} as an original of .*1001, which was \{"parent":"",/,
  },
  {
    name: 'a refused start’s release removes the mediated device of the guest that has it',
    setting: setting('sameMediated'),
    tamper: only('release', (engine, { guest: name = '' }) =>
      reading(engine, (claims) =>
        claims.map((claim) => ({ ...claim, owner: { kind: 'guest', name, uuid: claim.owner.uuid } })),
      ),
    ),
    finds: /^[AB] is starting and its mediated device .*1001 is gone$/,
  },
  {
    name: 'recover removes a mediated device that a guest has open',
    setting: setting('mediatedOnce', { recoveries: 1 }),
    tamper: only('recover', blind),
    finds: /^mediated device .*1001 is written to while a guest has its group 0 open$/,
  },
  {
    name: 'locks of mediated devices keep nobody out of the last one of a parent',
    setting: { ...setting('lastMediated'), unkept: 'shared' },
    tamper: as,
    finds: /^prepare of [AB] fails after it has written to the kernel: .*: EUSERS /,
  },
  {
    name: 'locks of mediated devices keep nobody from taking their card away',
    setting: { ...setting('parentCard'), unkept: 'shared' },
    tamper: as,
    finds: /^A is starting and its mediated device .*1001 is gone$/,
  },
  {
    name: 'a start makes a mediated device without the lock of them',
    setting: setting('mediatedOnce'),
    tamper: only('prepare', without('shared')),
    finds: /^prepare of A writes to .*\/labvgpu-1\/create without a lock of it$/,
  },
  {
    name: 'a write to a parent that hangs is forgotten',
    setting: setting('mediatedOnce', { hangs: 1 }),
    tamper: only('all', forgetful),
    finds: /^no claim is about the write of .*1001 to .*\/labvgpu-1\/create, which has not returned$/,
  },
  {
    name: 'a start that wants another mediated device does not ask what a killed release has left in the kernel',
    setting: setting('mediatedChanging', { deaths: 1, hangs: 1 }),
    tamper: only('prepare', unasked),
    finds: /^it is in no claim that mediated device .*1001: absent -> labvgpu-1 on labvgpu0, leaving$/,
  },
  {
    name: 'the claim is written after a vGPU was made',
    setting: setting('vgpu'),
    tamper: only('prepare', claimLate),
    finds: /^it is in no claim that 0000:41:00\.4 vgpu type: 0 -> 1155$/,
  },
  {
    name: 'a release believes that there is no vGPU',
    setting: setting('vgpu'),
    tamper: inLife(
      only('release', (engine) => ({
        ...engine,
        host: {
          ...engine.host,
          read: (path) => (path.endsWith(`${VGPU}/nvidia/current_vgpu_type`) ? '0' : engine.host.read(path)),
        },
      })),
    ),
    finds: /^it is in no claim that 0000:41:00\.4 vgpu type: 0 -> 1155$/,
  },
  {
    name: 'a start that is repeated takes its vGPU for the administrator’s',
    setting: setting('vgpu', { daemonDeaths: 1 }),
    tamper: only('prepare', (engine, { guest }) =>
      reading(engine, (claims) => claims.filter((claim) => claimedBy(claim) !== guest)),
    ),
    finds: /^the claim of A has \{"type":1155\} as an original of 0000:41:00\.4, which was \{"type":0\}$/,
  },
  {
    name: 'recover takes a vGPU from a guest that has it open',
    setting: setting('vgpu', { recoveries: 1 }),
    tamper: only('recover', blind),
    finds: /^0000:41:00\.4 is written to while a guest has its group \d open$/,
  },
  {
    name: 'locks of vGPUs keep nobody out of the last one of a card',
    setting: { ...setting('lastVgpu'), unkept: 'shared' },
    tamper: as,
    finds: /^prepare of [AB] fails after it has written to the kernel: .*: EIO /,
  },
  {
    name: 'a start makes a vGPU without the lock of them',
    setting: setting('vgpu'),
    tamper: only('prepare', without('shared')),
    finds: /^prepare of A writes to 0000:41:00\.4 without a lock of it$/,
  },
  {
    name: 'a start on another function does not ask what a killed release has left in the kernel',
    setting: setting('vgpuChanging', { deaths: 1, hangs: 1 }),
    tamper: only('prepare', unasked),
    finds: /^no claim is about the write of 0 to .*0000:41:00\.4\/nvidia\/current_vgpu_type, which has not/,
  },
];
