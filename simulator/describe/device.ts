import type { Bar } from '../../src/pci/bar.ts';
import type { PciDevice } from '../../src/pci/device.ts';
import type { PciLink, PciLocation } from '../../src/pci/topology.ts';
import { sysfs } from '../../src/pci/sysfs.ts';
import type { Host } from '../../src/host/host.ts';
import { linkSpeeds, linkWidths } from '../spec.ts';
import type { WrittenDevice } from '../description-schema.ts';
import { publicWord } from './privacy.ts';

/** Flags of a resource (include/linux/ioport.h). */
const IORESOURCE_IO = 0x100;
const IORESOURCE_PREFETCH = 0x2000;
const IORESOURCE_MEM_64 = 0x100000;

/** Where a device is, and what it is called. */
export interface Surroundings {
  readonly place: PciLocation;
  /** What it is behind. */
  readonly above: PciDevice | undefined;
  readonly name: string | undefined;
}

/** What the kernel says of a device, but for what it is for the host. */
export function describeDevice(device: PciDevice, { place, above, name }: Surroundings): WrittenDevice {
  // A device that makes a domain of its own (Intel VMD) is no bridge.
  const behind = above?.class.startsWith('0604') === true ? above.address : undefined;
  const link = describeLink(place.link);
  const bars = describeBars(device.bars);
  const driver = device.driver === undefined ? undefined : publicWord(device.driver);
  const override = device.driverOverride === undefined ? undefined : publicWord(device.driverOverride);
  return {
    address: device.address,
    ...(name !== undefined && { name }),
    id: `${device.vendor}:${device.device}`,
    ...(hasSubsystem(device) && { subsystem: `${device.subsystemVendor}:${device.subsystemDevice}` }),
    class: device.class,
    ...(device.revision !== '00' && { revision: device.revision }),
    ...(behind !== undefined && { behind }),
    ...(device.iommuGroup !== undefined && { group: device.iommuGroup }),
    ...(driver !== undefined && { driver }),
    ...(override !== undefined && { override }),
    ...(Object.keys(bars).length > 0 && { bars }),
    ...(device.resetMethods !== undefined && {
      reset: device.resetMethods.flatMap((method) => publicWord(method) ?? []),
    }),
    ...(device.powerControl === 'auto' && { power: 'auto' as const }),
    ...(device.d3coldAllowed === false && { d3cold: false }),
    ...(place.numaNode !== undefined && { numa: place.numaNode }),
    ...(link && { link }),
    ...(device.bootVga !== undefined && device.class.startsWith('0300') && { bootVga: device.bootVga }),
  };
}

/** Only what descriptions know: the numbers of the PCI Express specification up to 6.0. */
function describeLink(link: PciLink | undefined): WrittenDevice['link'] {
  const speed = linkSpeeds.find((each) => each === link?.speed);
  const width = linkWidths.find((each) => each === link?.width);
  if (speed === undefined || width === undefined) return undefined;
  const maxSpeed = linkSpeeds.find((each) => each === link?.maxSpeed);
  const maxWidth = linkWidths.find((each) => each === link?.maxWidth);
  return {
    speed,
    width,
    ...(maxSpeed !== undefined && maxSpeed !== speed && { maxSpeed }),
    ...(maxWidth !== undefined && maxWidth !== width && { maxWidth }),
  };
}

function hasSubsystem({ subsystemVendor, subsystemDevice }: PciDevice): boolean {
  return /^[0-9a-f]{4}$/.test(subsystemVendor) && `${subsystemVendor}${subsystemDevice}` !== '00000000';
}

/** BARs with an address; one without has lost its size, too. */
export function describeBars(bars: readonly Bar[]): NonNullable<WrittenDevice['bars']> {
  return Object.fromEntries(
    bars
      .filter(({ size }) => size > 0 && Number.isInteger(Math.log2(size)))
      .map(({ index, size, flags, sizes }) => {
        const kind = kindOf(flags);
        const offered = sizes && [...new Set([...sizes, size])].sort((a, b) => a - b);
        return [
          String(index),
          {
            size: sizeText(size),
            ...(kind !== 'mem32' && { kind }),
            ...(offered && offered.length > 0 && { sizes: offered.map(sizeText) }),
          },
        ];
      }),
  );
}

function kindOf(flags: number): 'io' | 'mem32' | 'mem64' | 'pref64' {
  if (flags & IORESOURCE_IO) return 'io';
  if (!(flags & IORESOURCE_MEM_64)) return 'mem32';
  return flags & IORESOURCE_PREFETCH ? 'pref64' : 'mem64';
}

/** A size in the form of descriptions: `256M`. */
export function sizeText(bytes: number): string {
  for (const [unit, factor] of [
    ['T', 2 ** 40],
    ['G', 2 ** 30],
    ['M', 2 ** 20],
    ['K', 2 ** 10],
  ] as const) {
    if (bytes >= factor && bytes % factor === 0) return `${bytes / factor}${unit}`;
  }
  return `${bytes}B`;
}

/** The SR-IOV capability; `first` is the first virtual function that is there, with its driver. */
export function describeSriov(
  host: Host,
  device: PciDevice,
  first: PciDevice | undefined,
): WrittenDevice['sriov'] {
  const { sriov } = device;
  const vfDevice = host.read(sysfs.attribute(device.address, 'sriov_vf_device'))?.trim() ?? '';
  if (!sriov || sriov.totalVfs < 1 || !/^[0-9a-f]{1,4}$/.test(vfDevice)) return undefined;
  const number = (name: string): number | undefined => {
    const value = Number(host.read(sysfs.attribute(device.address, name)) ?? NaN);
    return Number.isInteger(value) && value > 0 ? value : undefined;
  };
  const offset = number('sriov_offset');
  const stride = number('sriov_stride');
  const bars = describeBars(first?.bars ?? []);
  // Only the driver of a vGPU host has that lock.
  const vgpuType = first?.vgpuType ?? (device.unbindLock === undefined ? undefined : 0);
  const vfDriver = first?.driver === undefined || first.onVfio ? undefined : publicWord(first.driver);
  return {
    total: sriov.totalVfs,
    ...(sriov.numVfs > 0 && { active: sriov.numVfs }),
    ...(offset !== undefined && { offset }),
    ...(stride !== undefined && { stride }),
    vfDevice: vfDevice.padStart(4, '0'),
    ...(vfDriver !== undefined && { vfDriver }),
    ...(Object.keys(bars).length > 0 && { vfBars: bars }),
    ...(vgpuType !== undefined && { vgpuType }),
  };
}
