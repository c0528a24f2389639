import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  claimStates,
  type Claim,
  type ClaimOwner,
  type ClaimedDevice,
  type Original,
  type StuckWrite,
} from '../../src/claim/claim.ts';
import { decodeClaim, encodeClaim } from '../../src/claim/decode.ts';
import type { Hold } from '../../src/claim/hold.ts';
import { pciAddress, type PciAddress } from '../../src/pci/address.ts';
import { DRIVER_NAME, isDriverName } from '../../src/pci/driver-name.ts';

const whole: Claim = {
  version: 3,
  bootId: 'f8a9f0b2-0000-4000-8000-000000000001',
  owner: { kind: 'guest', name: 'win11', uuid: '7d0c1e0a-54b2-4c7e-9a55-0d3b8f1c2a01' },
  state: 'held',
  claimedAt: '2026-01-02T03:04:05.000Z',
  writer: { pid: 1234, startTime: 5678 },
  kernelWriteTimeout: 30_000,
  groups: [16],
  devices: [
    {
      address: '0000:03:00.0' as PciAddress,
      group: 16,
      vendor: '1002',
      device: '744c',
      driver: 'vfio-pci',
      original: {
        driver: 'amdgpu',
        module: 'amdgpu',
        driverOverride: 'amdgpu',
        bars: [{ bar: 2, size: 2 ** 28 }],
        powerControl: 'auto',
        resetMethods: ['flr', 'bus'],
        d3coldAllowed: false,
      },
    },
  ],
  holds: [
    { kind: 'hugepages', key: '2048kB node0', original: { pages: 256 }, wish: { pages: 4096 } },
    {
      kind: 'vfs',
      key: '0000:02:00.0',
      original: { count: 0, autoprobe: true, power: 'auto' },
      wish: { count: 4, autoprobe: false },
    },
    {
      kind: 'mdev',
      key: '83b8f4f2-509f-382f-3c1e-e6bfe0fa1001',
      original: { parent: '', type: '' },
      wish: {
        parent: '0000:41:00.4',
        type: 'nvidia-593',
        attributes: '[["nvidia/vgpu_params","x=1"]]',
        api: 'vfio-pci',
      },
    },
    {
      kind: 'frequency',
      key: 'policy4',
      original: { governor: 'schedutil', epp: '' },
      wish: { governor: 'performance' },
    },
    {
      kind: 'cpus',
      key: 'system.slice',
      original: { allowed: '' },
      wish: { keeps: '0-1,8', all: '0-15' },
    },
  ],
  stuck: [
    {
      device: '0000:03:00.1' as PciAddress,
      step: 'unbind 0000:03:00.1 from snd_hda_intel',
      path: '/sys/bus/pci/drivers/snd_hda_intel/unbind',
      writer: { pid: 4321, startTime: 9 },
    },
  ],
  leftovers: ['cannot bind 0000:03:00.0 to amdgpu: EIO'],
};

/** A copy with one value replaced; the path is written with dots. */
function changed(path: string, value: unknown): string {
  const copy = JSON.parse(JSON.stringify(whole)) as Record<string, unknown>;
  const keys = path.split('.');
  const last = keys.pop()!;
  const parent = keys.reduce<Record<string, unknown>>((at, key) => at[key] as Record<string, unknown>, copy);
  if (value === undefined) Reflect.deleteProperty(parent, last);
  else parent[last] = value;
  return JSON.stringify(copy);
}

function reason(text: string): string {
  const decoded = decodeClaim(text);
  assert.ok('reason' in decoded, 'it was accepted');
  return decoded.reason;
}

const device = 'devices.0';
const original = 'devices.0.original';

/** What is wrong, the value in the place of the right one, and what is said about it. */
const deviations: readonly (readonly [path: string, value: unknown, reason: string])[] = [
  ['version', 1, 'its version is 1, not 2 or 3'],
  ['version', undefined, 'its version is undefined, not 2 or 3'],
  ['version', '2', 'its version is "2", not 2 or 3'],
  ['bootId', undefined, 'bootId is no text'],
  ['owner', [], 'owner is no object'],
  ['owner', { kind: 'manual' }, 'uuid is no text'],
  ['owner', { kind: 'run', uuid: '', processes: [] }, 'command is no text'],
  ['owner', { kind: 'run', uuid: '', command: 'qemu' }, 'processes is no list'],
  ['owner', { kind: 'run', uuid: '', command: 'qemu', processes: [1] }, 'processes is no object'],
  ['owner.kind', undefined, 'undefined is no kind of owner'],
  ['owner.kind', 'root', '"root" is no kind of owner'],
  ['owner.uuid', 7, 'uuid is no text'],
  ['owner.name', null, 'name is no text'],
  ['state', 'owned', '"owned" is no state of a claim'],
  ['state', undefined, 'undefined is no state of a claim'],
  ['claimedAt', 1, 'claimedAt is no text'],
  ['writer', null, 'writer is no object'],
  ['writer.pid', '1', 'pid is no number'],
  ['kernelWriteTimeout', null, 'kernelWriteTimeout is no number'],
  ['groups', {}, 'groups is no list'],
  ['groups', [-1], 'groups is no whole number'],
  ['groups', [1.5], 'groups is no whole number'],
  ['groups', ['16'], 'groups is no whole number'],
  ['devices', undefined, 'devices is no list'],
  ['devices', [null], 'devices is no object'],
  [`${device}.address`, '0000:03:00.8', '"0000:03:00.8" is no PCI address'],
  [`${device}.address`, '../../0000:03:00.0', '"../../0000:03:00.0" is no PCI address'],
  [`${device}.address`, 3, '3 is no PCI address'],
  [`${device}.group`, undefined, 'group is no whole number'],
  [`${device}.vendor`, undefined, 'vendor is no text'],
  [`${device}.driver`, '../amdgpu', '"../amdgpu" is no name that the kernel gives'],
  [`${device}.driver`, '', '"" is no name that the kernel gives'],
  [`${device}.driver`, 5, 'driver is no text'],
  [`${device}.returning`, false, 'returning is not true'],
  [original, undefined, 'original is no object'],
  [`${original}.driver`, 'a/b', '"a/b" is no name that the kernel gives'],
  [`${original}.driver`, '..', '".." is no name that the kernel gives'],
  [`${original}.driver`, 'amdgpu\n', '"amdgpu\\n" is no name that the kernel gives'],
  [`${original}.module`, '--remove', '"--remove" is no name that the kernel gives'],
  [`${original}.module`, 'x'.repeat(65), `"${'x'.repeat(65)}" is no name that the kernel gives`],
  [`${original}.driverOverride`, 'a\nb', '"a\\nb" is no name that the kernel gives'],
  [`${original}.driverOverride`, '', '"" is no name that the kernel gives'],
  [`${original}.bars`, undefined, 'bars is no list'],
  [`${original}.bars.0.bar`, 6, 'BAR 6 does not exist'],
  [`${original}.bars.0.bar`, -1, 'bar is no whole number'],
  [`${original}.bars.0.size`, '256M', 'size is no number'],
  [`${original}.d3coldAllowed`, 1, 'd3coldAllowed is neither true nor false'],
  [`${original}.d3coldAllowed`, null, 'd3coldAllowed is neither true nor false'],
  [`${original}.resetMethods`, 'flr', 'resetMethods is no list'],
  [`${original}.resetMethods`, ['flr\n'], '"flr\\n" is no name that the kernel gives'],
  ['holds', undefined, 'holds is no list'],
  ['holds', [null], 'holds is no object'],
  ['holds.0.kind', 'carpet', 'it holds something of the kind "carpet", which this version does not know'],
  ['holds.0.kind', 'toString', 'it holds something of the kind "toString", which this version does not know'],
  ['holds.0.kind', undefined, 'it holds something of the kind undefined, which this version does not know'],
  ['holds.0.key', undefined, 'key is no text'],
  ['holds.0.key', '2048kB ', '"2048kB " is no key of hugepages'],
  ['holds.0.key', '2048kB node0/../..', '"2048kB node0/../.." is no key of hugepages'],
  ['holds.0.key', '0kB', '"0kB" is no key of hugepages'],
  ['holds.1.key', '02:00.0', '"02:00.0" is no key of vfs'],
  ['holds.1.kind', 'parameter', '"0000:02:00.0" is no key of parameter'],
  ['holds.0.original', undefined, 'original is no object'],
  ['holds.0.original.pages', -1, 'original of hugepages has no right "pages"'],
  ['holds.0.original.pages', '256', 'original of hugepages has no right "pages"'],
  ['holds.0.original.pages', undefined, 'original of hugepages has no right "pages"'],
  ['holds.0.original.free', 1, 'original of hugepages has no right "free"'],
  ['holds.0.wish.pages', 1.5, 'wish of hugepages has no right "pages"'],
  ['holds.0.wish.pages', 2 ** 50, 'wish of hugepages has no right "pages"'],
  ['holds.1.original.count', 65_536, 'original of vfs has no right "count"'],
  ['holds.1.original.autoprobe', 1, 'original of vfs has no right "autoprobe"'],
  ['holds.1.original.power', 'off', 'original of vfs has no right "power"'],
  ['holds.1.wish.power', 'on', 'wish of vfs has no right "power"'],
  [
    'holds.2.key',
    '83B8F4F2-509f-382f-3c1e-e6bfe0fa1001',
    '"83B8F4F2-509f-382f-3c1e-e6bfe0fa1001" is no key of mdev',
  ],
  ['holds.4.key', 'machine.slice', '"machine.slice" is no key of cpus'],
  ['holds.4.original.allowed', '0,1', 'original of cpus has no right "allowed"'],
  ['holds.4.wish.keeps', '', 'wish of cpus has no right "keeps"'],
  ['holds.4.wish.all', '0-15\n', 'wish of cpus has no right "all"'],
  ['holds.2.original.parent', '../..', 'original of mdev has no right "parent"'],
  ['holds.2.original.type', 1, 'original of mdev has no right "type"'],
  ['holds.2.wish.parent', '', 'wish of mdev has no right "parent"'],
  ['holds.2.wish.parent', 'auto', 'wish of mdev has no right "parent"'],
  ['holds.2.wish.type', 'a/b', 'wish of mdev has no right "type"'],
  ['holds.2.wish.attributes', '[["../remove","1"]]', 'wish of mdev has no right "attributes"'],
  ['holds.2.wish.attributes', '{}', 'wish of mdev has no right "attributes"'],
  ['holds.2.wish.attributes', '[["a"]]', 'wish of mdev has no right "attributes"'],
  ['holds.2.wish.api', '', 'wish of mdev has no right "api"'],
  ['holds.3.key', 'policy', '"policy" is no key of frequency'],
  ['holds.3.key', 'policy04', '"policy04" is no key of frequency'],
  ['holds.3.key', 'policy4/../boost', '"policy4/../boost" is no key of frequency'],
  ['holds.3.original.governor', '', 'original of frequency has no right "governor"'],
  ['holds.3.original.governor', 'a b', 'original of frequency has no right "governor"'],
  ['holds.3.original.epp', undefined, 'original of frequency has no right "epp"'],
  ['holds.3.original.epp', 'power\n', 'original of frequency has no right "epp"'],
  ['holds.3.original.epp', '1000', 'original of frequency has no right "epp"'],
  ['holds.3.wish.governor', 'userspace', 'wish of frequency has no right "governor"'],
  ['stuck', undefined, 'stuck is no list'],
  ['stuck.0.device', 'none', '"none" is no PCI address'],
  ['stuck.0.hold', { kind: 'hugepages' }, 'key is no text'],
  [
    'stuck.0.hold',
    { kind: 'carpet', key: 'x' },
    'it holds something of the kind "carpet", which this version does not know',
  ],
  ['stuck.0.writer', undefined, 'writer is no object'],
  ['leftovers', 'none', 'leftovers is no list'],
];

describe('decodeClaim', () => {
  it('reads what encodeClaim wrote', () => {
    assert.deepEqual(decodeClaim(encodeClaim(whole)), { claim: whole });
  });

  it('reads a claim with nothing that may be absent', () => {
    const least: Claim = {
      ...whole,
      devices: [
        { address: whole.devices[0]!.address, group: 0, vendor: '', device: '', original: { bars: [] } },
      ],
      stuck: [{ step: 'load module vfio-pci', path: 'modprobe vfio-pci', writer: { pid: 1, startTime: 1 } }],
      leftovers: [],
    };
    assert.deepEqual(decodeClaim(encodeClaim(least)), { claim: least });
  });

  it('reads version 2, which has no holds, and writes it as version 3', () => {
    const text = JSON.stringify({ ...whole, holds: undefined, version: 2 });
    assert.deepEqual(decodeClaim(text), { claim: { ...whole, holds: [] } });
    assert.equal(reason(JSON.stringify({ ...whole, version: 2 })), 'version 2 has no holds');
    assert.match(encodeClaim(whole), /^ "version": 3,$/m);
  });

  it('refuses one thing that is held twice, and takes two keys of a kind', () => {
    const [first] = whole.holds;
    assert.equal(reason(encodeClaim({ ...whole, holds: [first!, first!] })), 'it holds one thing twice');
    const two: Claim = {
      ...whole,
      holds: [first!, { kind: 'hugepages', key: '2048kB node1', original: { pages: 0 }, wish: { pages: 1 } }],
    };
    assert.deepEqual(decodeClaim(encodeClaim(two)), { claim: two });
  });

  it('reads the parameter that all guests share, which version 2 has not', () => {
    const claim: Claim = { ...whole, unsafeInterrupts: { original: 'N' } };
    const text = encodeClaim(claim);
    assert.deepEqual(decodeClaim(text), { claim });
    const version2 = JSON.stringify({ ...claim, holds: undefined, version: 2 });
    assert.equal(reason(version2), 'version 2 has no unsafeInterrupts');
    assert.equal(
      reason(text.replace('"original": "N"', '"original": "Y"')),
      'unsafeInterrupts has another original than N',
    );
  });

  it('ignores what it does not know, and takes nothing from it', () => {
    assert.deepEqual(decodeClaim(changed('colour', 'blue')), { claim: whole });
    const unknown = decodeClaim(changed(`${original}.powerControl`, 'off'));
    assert.ok('claim' in unknown && !('powerControl' in unknown.claim.devices[0]!.original));
    const older = decodeClaim(changed(`${original}.d3coldAllowed`, undefined));
    assert.ok('claim' in older && !('d3coldAllowed' in older.claim.devices[0]!.original));
    const polluted = encodeClaim(whole).replace('{', '{"__proto__":{"polluted":1},');
    assert.deepEqual(decodeClaim(polluted), { claim: whole });
    assert.equal('polluted' in {}, false);
  });

  for (const [path, value, said] of deviations) {
    it(`refuses ${path} as ${value === undefined ? 'absent' : JSON.stringify(value).slice(0, 30)}`, () => {
      assert.equal(reason(changed(path, value)), said);
    });
  }

  it('says why it cannot read what is no JSON document, or no object', () => {
    assert.equal(reason(''), 'the file is empty');
    assert.equal(reason(' \n'), 'the file is empty');
    assert.equal(reason('{"version": 1'), 'the file is no whole JSON document');
    assert.equal(reason('[]'), 'claim is no object');
    assert.equal(reason('null'), 'claim is no object');
    assert.equal(reason('1'), 'claim is no object');
  });

  it('accepts no two concatenated claims, as a replaced file without truncation would be', () => {
    assert.equal(reason(encodeClaim(whole) + encodeClaim(whole)), 'the file is no whole JSON document');
  });

  it('never throws, whatever it is given', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.json()), (text) => {
        const decoded = decodeClaim(text);
        assert.ok('claim' in decoded || decoded.reason.length > 0);
      }),
    );
    const paths = deviations.map(([path]) => path);
    fc.assert(
      fc.property(fc.constantFrom(...paths), fc.jsonValue(), (path, value) => {
        const decoded = decodeClaim(changed(path, value));
        if ('claim' in decoded) assert.ok(decodeClaim(encodeClaim(decoded.claim)));
      }),
      { numRuns: 500 },
    );
  });

  it('reads back every claim that can be written', () => {
    fc.assert(
      fc.property(claims, (claim) => {
        assert.deepEqual(decodeClaim(encodeClaim(claim)), { claim });
      }),
    );
  });
});

const address = fc
  .record({ domain: fc.nat(0xffff), bus: fc.nat(0xff), slot: fc.nat(0x1f), function: fc.nat(7) })
  .map((parts) => pciAddress(parts)!);
/** Driver names as they occur: vfio-pci, snd_hda_intel, 8139cp, "Intel AGP". */
const name = fc.stringMatching(DRIVER_NAME).filter(isDriverName);
const identity = fc.record({ pid: fc.nat(), startTime: fc.nat() });
const owners: fc.Arbitrary<ClaimOwner> = fc.oneof(
  fc.record({ kind: fc.constant('guest' as const), name: fc.string({ unit: 'binary' }), uuid: fc.uuid() }),
  fc.record({ kind: fc.constant('manual' as const), uuid: fc.uuid() }),
  fc.record({
    kind: fc.constant('run' as const),
    uuid: fc.uuid(),
    command: fc.string(),
    processes: fc.array(identity),
  }),
);
const originals: fc.Arbitrary<Original> = fc.record(
  {
    driver: name,
    module: name,
    driverOverride: fc.string({ minLength: 1, unit: 'binary' }).filter((text) => !/[\n\0]/.test(text)),
    bars: fc.array(fc.record({ bar: fc.nat(5), size: fc.nat() })),
    powerControl: fc.constantFrom('auto' as const, 'on' as const),
    d3coldAllowed: fc.boolean(),
    resetMethods: fc.array(fc.constantFrom('flr', 'af_flr', 'pm', 'bus', 'cxl_bus', 'device_specific')),
  },
  { requiredKeys: ['bars'] },
);
const devices: fc.Arbitrary<ClaimedDevice> = fc.record(
  {
    address,
    group: fc.nat(),
    vendor: fc.string(),
    device: fc.string(),
    driver: name,
    returning: fc.constant(true as const),
    original: originals,
  },
  { requiredKeys: ['address', 'group', 'vendor', 'device', 'original'] },
);
const count = (max: number): fc.Arbitrary<number> => fc.integer({ min: 0, max });
const holds: fc.Arbitrary<Hold> = fc.oneof(
  fc.record({
    kind: fc.constant('hugepages' as const),
    key: fc.constantFrom('2048kB', '1048576kB node1', '64kB node12'),
    original: fc.record({ pages: count(2 ** 40) }),
    wish: fc.record({ pages: count(2 ** 40) }),
  }),
  fc.record({
    kind: fc.constant('vfs' as const),
    key: address,
    original: fc.record({
      count: count(0xffff),
      autoprobe: fc.boolean(),
      power: fc.constantFrom('auto' as const, 'on' as const),
    }),
    wish: fc.record({ count: count(0xffff), autoprobe: fc.boolean() }),
  }),
  fc.record({
    kind: fc.constant('parameter' as const),
    key: fc.constantFrom('vfio_iommu_type1 allow_unsafe_interrupts', 'kvm ignore_msrs'),
    original: fc.record({ value: fc.constantFrom('Y' as const, 'N' as const) }),
    wish: fc.record({ value: fc.constant('Y' as const) }),
  }),
);
const stuck: fc.Arbitrary<StuckWrite> = fc.record(
  {
    device: address,
    hold: holds.map(({ kind, key }) => ({ kind, key })),
    step: fc.string(),
    path: fc.string(),
    writer: identity,
  },
  { requiredKeys: ['step', 'path', 'writer'] },
);
// Cloned, since fast-check makes some of its records without a prototype.
const claims = fc
  .record({
    version: fc.constant(3 as const),
    bootId: fc.uuid(),
    owner: owners,
    state: fc.constantFrom(...claimStates),
    claimedAt: fc.string(),
    writer: identity,
    kernelWriteTimeout: fc.nat(),
    groups: fc.array(fc.nat()),
    devices: fc.array(devices),
    holds: fc.uniqueArray(holds, { selector: ({ kind, key }) => `${kind} ${key}` }),
    stuck: fc.array(stuck),
    leftovers: fc.array(fc.string()),
  })
  .map((claim): Claim => structuredClone(claim));
