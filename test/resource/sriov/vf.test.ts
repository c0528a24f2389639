import assert from 'node:assert/strict';
import { guestOwner } from '../../../src/claim/owner.ts';
import { vf } from '../../../src/resource/sriov/vf.ts';
import { vfMac } from '../../../src/resource/sriov/vf-mac.ts';
import { vfResource } from '../../../src/resource/sriov/vf-resource.ts';
import { claimOf } from '../../plan/snapshots.ts';
import { PF } from '../generators.ts';

const VLAN = `${PF} 1 vlan`;
const OPEN = '0000:02:10.2 is open in guest "b" (qemu-system-x86, pid 7)';
const facts = { there: true, link: 'eth0', open: '' };
const mac = { ...facts, ownLink: 'eth1', function: '0000:02:10.2' };
const M = '52:54:00:00:00:01';
const O = '52:54:00:00:00:02';

describe('what a card keeps for a function', () => {
  it('is set by the very words that ip(8) gets', () => {
    const seen = { state: { value: '0' }, facts };
    assert.deepEqual(vf.steps({ key: VLAN, seen, to: { value: '42 qos 3' } }), [
      { kind: 'set-link', device: PF, link: 'eth0', vf: 1, setting: 'vlan', to: '42 qos 3' },
    ]);
    assert.deepEqual(vf.steps({ key: VLAN, seen, to: { value: '0' } }), []);
  });

  it('stays as it is while somebody has the function open', () => {
    const state = { value: '42' };
    const to = { value: '0' };
    const left = vf.reach?.({ key: VLAN, seen: { state, facts: { ...facts, open: OPEN } }, to }, []);
    assert.deepEqual(left, { to: state, left: OPEN });
    assert.equal(vf.reach?.({ key: VLAN, seen: { state, facts }, to }, []), undefined);
    const address = { state: { mac: M, own: '' }, facts: { ...mac, open: OPEN } };
    assert.equal(
      vfMac.reach?.({ key: `${PF} 1`, seen: address, to: { mac: 'unset', own: O } }, [])?.left,
      OPEN,
    );
  });

  it('is one guest’s: another wish is refused as long as that guest may run, and no longer', () => {
    const meeting = (settled: boolean): string | undefined =>
      vf.conflict?.({
        key: VLAN,
        original: { value: '0' },
        wish: { value: '7' },
        others: [{ wish: { value: '42' }, settled, owner: 'guest "b"' }],
        facts,
        claims: [],
      })?.reason;
    assert.equal(meeting(true), 'guest "b" has it 42');
    assert.equal(meeting(false), undefined);
  });
});

describe('the address of a function', () => {
  const key = `${PF} 1`;
  const wish = { mac: M, unset: false };
  const made = claimOf([], {
    owner: guestOwner({ name: 'a', uuid: 'a' }),
    holds: [
      {
        kind: 'vfs',
        key: PF,
        original: { count: 0, autoprobe: true, power: 'on' },
        wish: { count: 2, autoprobe: false },
      },
    ],
  });
  const rows = [
    ['of a function that this program has made was never set', { mac: O, own: O }, wish, [made], 'unset'],
    ['of a card that shows zeros was never set', { mac: 'unset', own: O }, wish, [], 'unset'],
    [
      'where the configuration says so was never set',
      { mac: O, own: O },
      { ...wish, unset: true },
      [],
      'unset',
    ],
    ['that may have been set before is put back as it was', { mac: O, own: O }, wish, [], O],
    [
      'that libvirt sets, and that may have been set before, is libvirt’s to put back',
      { mac: O, own: O },
      { mac: 'libvirt', unset: false },
      [],
      'libvirt',
    ],
  ] as const;
  for (const [name, state, wanted, claims, expected] of rows) {
    it(name, () => {
      assert.deepEqual(vfMac.original?.(key, state, wanted, claims), { mac: expected, own: state.own });
    });
  }

  it('is cleared by zeros, and the interface is told its own again, whatever it is called by then', () => {
    const seen = { state: { mac: M, own: M }, facts: mac };
    assert.deepEqual(vfMac.steps({ key, seen, to: { mac: 'unset', own: O } }), [
      { kind: 'set-link', device: PF, link: 'eth0', vf: 1, setting: 'mac', to: '00:00:00:00:00:00' },
      { kind: 'set-link', device: '0000:02:10.2', link: 'eth1', setting: 'address', to: O },
    ]);
    // It had none before, and has one now: it keeps what it has.
    const [, own] = vfMac.steps({ key, seen, to: { mac: 'unset', own: '' } });
    assert.equal(own?.kind === 'set-link' && own.to, M);
    const unbound = { ...seen, facts: { ...mac, ownLink: '' } };
    assert.equal(vfMac.steps({ key, seen: unbound, to: { mac: 'unset', own: O } }).length, 1);
  });

  it('is left alone where libvirt sets it', () => {
    const seen = { state: { mac: M, own: O }, facts: mac };
    assert.deepEqual(vfMac.steps({ key, seen, to: { mac: 'libvirt', own: O } }), []);
    assert.equal(vfMac.words(key, { mac: 'libvirt', own: O }), 'set by libvirt');
  });
});

describe('a share of a graphics card', () => {
  const key = (path: string): string => `${PF} ${path}`;

  it('is called by what it is of', () => {
    const names = [
      ['sriov_admin/pf/profile/sched_priority', 'sched_priority of 0000:02:00.0'],
      ['sriov_admin/vf2/profile/vram_quota', 'vram_quota of virtual function 1 of 0000:02:00.0'],
      [
        'drm/card0/prelim_iov/vf1/gt1/exec_quantum_ms',
        'exec_quantum_ms (gt1) of virtual function 0 of 0000:02:00.0',
      ],
    ] as const;
    for (const [path, name] of names) assert.equal(vfResource.subject(key(path)), name);
  });

  it('that the driver has fixed is refused, unless it is as wished', () => {
    const guard = (value: string): number | undefined =>
      vfResource.guard?.(
        {
          key: key('sriov_admin/vf1/profile/vram_quota'),
          seen: { state: { value: '5' }, facts: { fixed: true } },
          to: { value },
        },
        [],
      ).length;
    assert.deepEqual([guard('5'), guard('6')], [0, 1]);
  });

  it('of the card itself goes with no function', () => {
    assert.equal(vfResource.partOf?.(key('sriov_admin/pf/profile/sched_priority')), undefined);
    assert.deepEqual(vfResource.partOf?.(key('sriov_admin/vf1/profile/vram_quota')), {
      kind: 'vfs',
      key: PF,
    });
  });
});
