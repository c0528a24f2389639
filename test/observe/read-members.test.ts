import assert from 'node:assert/strict';
import { createMachine } from '../../simulator/machine.ts';
import type { Host } from '../../src/host/host.ts';
import { readBindings } from '../../src/observe/read-members.ts';
import { parsePciAddress } from '../../src/pci/address.ts';
import { sysfs } from '../../src/pci/sysfs.ts';
import { allGroups, takeSnapshot } from '../../src/observe/take-snapshot.ts';
import { machineSpec } from '../scenario.ts';
import { exampleHosts } from '../sweep/subjects.ts';

describe('readBindings', () => {
  for (const name of exampleHosts()) {
    it(`${name}: devices and drivers as a snapshot has them`, async () => {
      const host = createMachine(machineSpec(name)).host();
      const groups = allGroups(host);
      const { devices, drivers } = await takeSnapshot(host, groups, { deadlineMs: 100 });
      assert.deepEqual(await readBindings(host, groups, { deadlineMs: 100 }), { devices, drivers });
      const [first] = devices;
      const without = first ? [first.address] : [];
      assert.deepEqual(await readBindings(host, groups, { deadlineMs: 100, without }), {
        devices: devices.slice(1),
        drivers,
      });
    });
  }

  it('tells of what can be reset whether it is alone on its bus, in whatever groups the others are', async () => {
    const host = createMachine(machineSpec('lab-q35')).host();
    const sharing = async (): Promise<string[]> => {
      const { devices } = await readBindings(host, allGroups(host), { deadlineMs: 100 });
      return devices.filter(({ sharesBus }) => sharesBus).map(({ address }) => address);
    };
    const igb = '0000:02:00.0';
    assert.ok(!(await sharing()).includes(igb));
    assert.ok((await sharing()).includes('0000:01:00.0'));
    await host.write(sysfs.attribute(parsePciAddress(igb)!, 'sriov_numvfs'), '2', 1000);
    assert.ok((await sharing()).includes(igb));
  });

  it('sees what was bound while it waited for the locks', async () => {
    const host = createMachine(machineSpec('amd-rdna3-desktop')).host();
    await host.write(sysfs.unbind('amdgpu'), '0000:03:00.0', 100);
    const waiting: Host = {
      ...host,
      readLocked: async (paths, deadlineMs) => {
        const texts = await host.readLocked(paths, deadlineMs);
        await host.write(sysfs.bind('amdgpu'), '0000:03:00.0', 100);
        return texts;
      },
    };
    const { devices } = await readBindings(waiting, [16], { deadlineMs: 100 });
    assert.deepEqual(
      devices.map(({ address, driver }) => `${address} ${driver ?? 'none'}`),
      ['0000:03:00.0 amdgpu', '0000:03:00.1 snd_hda_intel'],
    );
  });

  it('reads nothing but devices, their groups and the drivers', async () => {
    const host = createMachine(machineSpec('amd-rdna3-desktop')).host();
    const asked = new Set<string>();
    const note = (path: string): string => {
      asked.add(path.replace(/^(\/sys\/(?:bus\/pci|kernel)\/\w+).*/, '$1'));
      return path;
    };
    const noting: Host = {
      ...host,
      read: (path, size) => host.read(note(path), size),
      readBytes: (path, length) => host.readBytes(note(path), length),
      readLink: (path) => host.readLink(note(path)),
      list: (path) => host.list(note(path)),
      tryOpen: (path) => host.tryOpen(note(path)),
      readLocked: (paths, deadlineMs) => host.readLocked(paths.map(note), deadlineMs),
    };
    await readBindings(noting, [16], { deadlineMs: 100 });
    assert.deepEqual([...asked].sort(), [
      '/proc/driver/nvidia/gpus',
      '/sys/bus/pci/devices',
      '/sys/bus/pci/drivers',
      '/sys/kernel/iommu_groups',
    ]);
  });
});
