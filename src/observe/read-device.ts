import { VfioHookError } from '../errors.ts';
import type { Host } from '../host/host.ts';
import { parsePciAddress, type PciAddress } from '../pci/address.ts';
import { parseBars } from '../pci/bar.ts';
import type { HeaderType, PciDevice } from '../pci/device.ts';
import { isMdevUuid } from '../pci/mdev.ts';
import { idsOf } from '../pci/modalias.ts';
import { sysfs } from '../pci/sysfs.ts';
import { isVfioName } from '../pci/vfio-name.ts';
import { quoteName } from '../text.ts';
import { boundDriver } from './bound-driver.ts';

/** The number of a device's IOMMU group; undefined without an IOMMU, and for a device that is not there. */
export function groupOf(host: Host, address: PciAddress): number | undefined {
  const number = Number(linkName(host, address, 'iommu_group') ?? NaN);
  return Number.isInteger(number) ? number : undefined;
}

/**
 * The attributes of devices whose read takes the device's lock: readDevice() takes their texts. Only physical functions
 * have the second one (drivers/pci/iov.c:sriov_pf_attrs_are_visible), only cards on nvidia, whose names are `nvidia`, the third.
 */
export function lockedAttributes(addresses: readonly PciAddress[], nvidia: readonly string[] = []): string[] {
  return addresses.flatMap((address) => [
    sysfs.driverOverride(address),
    sysfs.attribute(address, 'sriov_numvfs'),
    ...(nvidia.includes(address) ? [sysfs.unbindLock(address)] : []),
  ]);
}

/**
 * One device's attributes; undefined when it has left the bus. `locked` has the texts of the attributes
 * whose read takes the device's lock. `names` is what is in its directory: what is not there is not asked for.
 * Throws VH_KERNEL for ids that are none.
 */
export function readDevice(
  host: Host,
  address: PciAddress,
  locked: ReadonlyMap<string, string>,
  names = host.list(sysfs.device(address)),
): PciDevice | undefined {
  if (!names) return undefined;
  const there = new Set(names);
  const text = (name: string): string | undefined => host.read(sysfs.attribute(address, name))?.trim();
  const ifThere = (name: string): string | undefined => (there.has(name) ? text(name) : undefined);
  const modalias = text('modalias');
  if (modalias === undefined) return undefined;
  const ids = idsOf(modalias) ?? notAnId(address, modalias);

  const driver = there.has('driver') ? boundDriver(host, address) : undefined;
  const driverModule = driver === undefined ? undefined : linkName(host, address, 'driver/module');
  const group = there.has('iommu_group') ? groupOf(host, address) : undefined;
  const physicalFunction = there.has('physfn')
    ? parsePciAddress(linkName(host, address, 'physfn') ?? '')
    : undefined;
  const driverOverride = overrideText(locked.get(sysfs.driverOverride(address)));
  const methods = ifThere('reset_method');
  const powerControl = text('power/control');
  const d3cold = ifThere('d3cold_allowed');
  const bootVga = ifThere('boot_vga');
  const totalVfs = ifThere('sriov_totalvfs');
  const unbindLock = locked.get(sysfs.unbindLock(address))?.trim();
  const mdevs = names.filter(isMdevUuid);
  const vgpuType = there.has('nvidia') ? text('nvidia/current_vgpu_type') : undefined;

  return {
    address,
    vendor: ids.vendor,
    device: ids.device,
    subsystemVendor: ids.subsystemVendor,
    subsystemDevice: ids.subsystemDevice,
    revision: (ifThere('revision') ?? '').replace(/^0x/, ''),
    class: ids.class,
    headerType: headerType(ids.class, there),
    modalias,
    ...(group !== undefined && { iommuGroup: group }),
    ...(driver !== undefined && { driver }),
    ...(driverModule !== undefined && { driverModule }),
    ...(driverOverride !== undefined && { driverOverride }),
    // NVIDIA's driver is a VFIO driver of its own virtual functions, and nobody's to move them from.
    onVfio: driver !== undefined && vgpuType === undefined && (isVfioName(driver) || there.has('vfio-dev')),
    bars: parseBars(text('resource') ?? '', resizeMasks(host, address, names)),
    ...(methods !== undefined && { resetMethods: methods.split(' ').filter(Boolean) }),
    ...((powerControl === 'auto' || powerControl === 'on') && { powerControl }),
    ...(d3cold !== undefined && { d3coldAllowed: d3cold === '1' }),
    ...(bootVga !== undefined && { bootVga: bootVga === '1' }),
    ...(totalVfs !== undefined && {
      sriov: {
        totalVfs: Number(totalVfs),
        numVfs: Number(locked.get(sysfs.attribute(address, 'sriov_numvfs'))?.trim() ?? 0),
      },
    }),
    ...(physicalFunction && { physicalFunction }),
    ...(unbindLock !== undefined && {
      unbindLock: unbindLock === '1' ? ('taken' as const) : ('free' as const),
    }),
    ...(mdevs.length > 0 && { mdevs }),
    ...(vgpuType !== undefined && { vgpuType: Number(vgpuType) }),
  };
}

/** What a modalias that is none comes to: a device that cannot be told must not be taken for one that is gone. */
function notAnId(address: PciAddress, text: string): never {
  const path = sysfs.attribute(address, 'modalias');
  throw new VfioHookError('VH_KERNEL', `${path} reads ${quoteName(text)}, which is no PCI device's`, {
    path,
  });
}

/** The override in the text of `driver_override`: the kernel prints `(null)` when none is set. */
export function overrideText(text: string | undefined): string | undefined {
  const line = text?.split('\n')[0];
  return line === undefined || line === '(null)' || line === '' ? undefined : line;
}

/** Since Linux 6.1 a device on any vfio driver has a `vfio-dev` directory (drivers/vfio/vfio_main.c); before, the name tells. Not a virtual function of NVIDIA's own framework. */
export function isOnVfio(host: Host, address: PciAddress, driver: string | undefined): boolean {
  if (driver === undefined) return false;
  if (isVfioName(driver)) return true;
  const names = host.list(sysfs.device(address)) ?? [];
  return names.includes('vfio-dev') && !names.includes('nvidia');
}

/**
 * The kind of header, as the kernel has read it when it found the device: only bridges of both kinds have the
 * attribute `secondary_bus_number` (drivers/pci/pci-sysfs.c:pci_bridge_attrs_are_visible). Configuration space itself is
 * not read for it: that wakes a card, and waits for one that is being reset.
 */
function headerType(classCode: string, attributes: ReadonlySet<string>): HeaderType {
  if (!attributes.has('secondary_bus_number')) return 'endpoint';
  return classCode.startsWith('0607') ? 'cardbus' : 'bridge';
}

function resizeMasks(host: Host, address: PciAddress, names: readonly string[]): Map<number, string> {
  const masks = new Map<number, string>();
  for (const name of names) {
    const bar = /^resource([0-5])_resize$/.exec(name)?.[1];
    if (bar === undefined) continue;
    masks.set(Number(bar), host.read(sysfs.attribute(address, name)) ?? '');
  }
  return masks;
}

function linkName(host: Host, address: PciAddress, name: string): string | undefined {
  return host.readLink(sysfs.attribute(address, name))?.split('/').pop();
}
