import assert from 'node:assert/strict';
import { parsePciAddress } from '../../src/pci/address.ts';
import { sysfs } from '../../src/pci/sysfs.ts';

const gpu = parsePciAddress('0000:01:00.0')!;

describe('sysfs', () => {
  /** As Documentation/ABI/testing/sysfs-bus-pci and the recordings of real kernels have them. */
  const paths: readonly (readonly [path: string, expected: string])[] = [
    [sysfs.device(gpu), '/sys/bus/pci/devices/0000:01:00.0'],
    [sysfs.attribute(gpu, 'boot_vga'), '/sys/bus/pci/devices/0000:01:00.0/boot_vga'],
    [sysfs.driverOverride(gpu), '/sys/bus/pci/devices/0000:01:00.0/driver_override'],
    [sysfs.resize(gpu, 2), '/sys/bus/pci/devices/0000:01:00.0/resource2_resize'],
    [sysfs.driver('vfio-pci'), '/sys/bus/pci/drivers/vfio-pci'],
    [sysfs.bind('amdgpu'), '/sys/bus/pci/drivers/amdgpu/bind'],
    [sysfs.unbind('amdgpu'), '/sys/bus/pci/drivers/amdgpu/unbind'],
    [sysfs.driversProbe, '/sys/bus/pci/drivers_probe'],
    [sysfs.groupDevices(13), '/sys/kernel/iommu_groups/13/devices'],
    [sysfs.groupType(13), '/sys/kernel/iommu_groups/13/type'],
    [sysfs.vfioGroup(13), '/dev/vfio/13'],
    [sysfs.vfioContainer, '/dev/vfio/vfio'],
    [sysfs.modulesAlias('6.12.0'), '/lib/modules/6.12.0/modules.alias'],
  ];
  for (const [path, expected] of paths) {
    it(expected, () => {
      assert.equal(path, expected);
    });
  }

  it('holds absolute paths of /sys, /proc, /dev and /lib only', () => {
    for (const value of Object.values(sysfs)) {
      if (typeof value === 'string') assert.match(value, /^\/(?:sys|proc|dev|lib)\/[^ ]*[^/]$/);
    }
  });
});
