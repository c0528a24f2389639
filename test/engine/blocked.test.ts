import assert from 'node:assert/strict';
import type { Claim } from '../../src/claim/claim.ts';
import { blockedDevices, refuseBlocked } from '../../src/engine/blocked.ts';
import type { BlockedWrite, Host, ProcessIdentity } from '../../src/host/host.ts';
import { failureOf, pci } from '../scenario.ts';
import { fakeHost } from '../host/fake-host.ts';

const GPU = pci('0000:03:00.0');
const alive: ProcessIdentity = { pid: 10, startTime: 1 };
const dead: ProcessIdentity = { pid: 11, startTime: 1 };

function host(...blocked: readonly BlockedWrite[]): Host {
  return {
    ...fakeHost({
      links: { [`/sys/bus/pci/devices/${GPU}/iommu_group`]: '../../../kernel/iommu_groups/16' },
    }),
    isAlive: ({ pid }) => pid === alive.pid,
    blockedWrites: () => blocked,
  };
}

function claim(rest: Partial<Claim>): Claim {
  return {
    version: 3,
    bootId: '',
    owner: { kind: 'guest', name: 'win11', uuid: '' },
    state: 'stuck',
    claimedAt: '',
    writer: alive,
    kernelWriteTimeout: 1,
    groups: [16],
    devices: [],
    holds: [],
    stuck: [],
    leftovers: [],
    ...rest,
  };
}

const stuck = (writer: ProcessIdentity): Claim['stuck'] => [
  { device: GPU, step: 'unbind it', path: '/x', writer },
];
const write = (path: string, value: string): BlockedWrite => ({ path, value, writer: alive });

describe('blockedDevices', () => {
  it('is what claims record, as long as its writer is there', () => {
    assert.deepEqual(blockedDevices(host(), [claim({ stuck: stuck(alive) })]), [
      { device: GPU, what: 'unbind it for guest "win11"', writer: alive },
    ]);
    assert.deepEqual(blockedDevices(host(), [claim({ stuck: stuck(dead) })]), []);
  });

  it('is not the loading of a module, which concerns no device', () => {
    assert.deepEqual(
      blockedDevices(host(), [claim({ stuck: [{ step: 'load', path: 'modprobe x', writer: alive }] })]),
      [],
    );
  });

  const blocked = write('/sys/bus/pci/drivers/amdgpu/unbind', GPU);
  it('is what processes wait for, when a run has died before it could record it', () => {
    for (const state of ['preparing', 'restoring', 'incomplete', 'stuck'] as const) {
      assert.deepEqual(blockedDevices(host(blocked), [claim({ state, writer: dead })]), [
        { device: GPU, what: `writing "${GPU}" to /sys/bus/pci/drivers/amdgpu/unbind`, writer: alive },
      ]);
    }
  });

  it('is not looked for while every run is accounted for', () => {
    const looked = { ...host(blocked), blockedWrites: () => assert.fail('it looked at every process') };
    assert.deepEqual(
      blockedDevices(looked, [claim({ state: 'held', writer: dead }), claim({ state: 'preparing' })]),
      [],
    );
  });

  it('knows the device from the attribute’s path or from the value', () => {
    for (const [path, value] of [
      [`/sys/bus/pci/devices/${GPU}/driver_override`, 'vfio-pci'],
      [`/sys/bus/pci/devices/${GPU}/power/control`, 'auto'],
      [`/sys/bus/pci/devices/${GPU}/driver_override`, ''],
      ['/sys/bus/pci/drivers/vfio-pci/bind', GPU],
    ] as const) {
      const found = blockedDevices(host(write(path, value)), [claim({ state: 'preparing', writer: dead })]);
      assert.deepEqual(
        found.map(({ device }) => device),
        [GPU],
        path,
      );
    }
    const foreign = write('/sys/bus/usb/drivers/x/bind', '1-1');
    assert.deepEqual(blockedDevices(host(foreign), [claim({ state: 'preparing', writer: dead })]), []);
  });
});

describe('refuseBlocked', () => {
  it('refuses the group that the device is in, and no other', async () => {
    const claims = [claim({ stuck: stuck(alive) })];
    refuseBlocked(host(), claims, [15, 17]);
    const error = await failureOf(
      Promise.resolve().then(() => {
        refuseBlocked(host(), claims, [15, 16]);
      }),
    );
    assert.equal(error.code, 'VH_STUCK');
    assert.equal(
      error.message,
      `${GPU} cannot be touched: an earlier kernel write has not returned (unbind it for guest "win11"; process 10 waits in the kernel)`,
    );
    assert.equal(error.device, GPU);
  });

  it('lets a device pass that is not on the bus any more', () => {
    refuseBlocked({ ...host(), readLink: () => undefined }, [claim({ stuck: stuck(alive) })], [16, 0]);
  });
});
