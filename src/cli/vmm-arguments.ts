import type { PciAddress } from '../pci/address.ts';
import { pciAddressParts, slotOf } from '../pci/address.ts';
import { isMemory32 } from '../pci/bar.ts';
import type { PciDevice } from '../pci/device.ts';
import { sysfs } from '../pci/sysfs.ts';
import { segmentsFor, type SegmentPlan } from './pci-segments.ts';

/** What a virtual machine monitor is told to give its guest. */
export interface Assignment {
  /** Without bridges, in order of address. */
  readonly devices: readonly PciDevice[];
  /** Which of them share a GPUDirect clique: src/pci/cliques.ts. */
  readonly cliques: ReadonlyMap<PciAddress, number>;
}

/** Arguments for a VMM, each an option with its values, and what the person should know. */
export interface VmmArguments {
  readonly options: readonly (readonly [option: string, ...values: readonly string[]])[];
  readonly warnings: readonly string[];
}

/**
 * Cloud Hypervisor: `--device path=…` with all devices (its docs/vfio.md; `--device` given twice is an error
 * in older versions). It puts each function into a slot of its own, and a PCI segment has 32 of those, so
 * many devices take several segments, which then share the window for 32-bit BARs by their weights.
 */
export function cloudHypervisorArguments({ devices, cliques }: Assignment): VmmArguments {
  const needs = devices.map((device) => memory32(device));
  const segments = segmentsFor(needs);
  const values = devices.map(({ address }, index) => {
    const clique = cliques.get(address);
    const segment = segments.segmentOf[index] ?? 0;
    return [
      `path=/sys/bus/pci/devices/${address}/`,
      ...(segment > 0 ? [`pci_segment=${segment}`] : []),
      ...(clique === undefined ? [] : [`x_nv_gpudirect_clique=${clique}`]),
    ].join(',');
  });
  return {
    options: [...segmentOptions(segments), ...(values.length > 0 ? [['--device', ...values] as const] : [])],
    warnings: [...segments.warnings, ...vendorFunctions(devices)],
  };
}

/** A virtual function that stays on NVIDIA's driver has regions that Cloud Hypervisor cannot map (its issue 7572). */
function vendorFunctions(devices: readonly PciDevice[]): string[] {
  return devices
    .filter(({ vgpuType }) => vgpuType !== undefined)
    .map(
      ({ address }) =>
        `Cloud Hypervisor cannot use ${address}: it stays on NVIDIA's driver, as QEMU can have it`,
    );
}

function segmentOptions({ weights }: SegmentPlan): [option: string, ...values: string[]][] {
  if (weights.length <= 1) return [];
  return [
    ['--platform', `num_pci_segments=${weights.length}`],
    [
      '--pci-segment',
      ...weights.map((weight, segment) => `pci_segment=${segment},mmio32_aperture_weight=${weight}`),
    ],
  ];
}

/** Bytes that a device's BARs take below 4 GiB, at least a page each. */
function memory32({ bars }: PciDevice): number {
  return bars.filter(isMemory32).reduce((sum, { size }) => sum + Math.max(size, PAGE), 0);
}

const PAGE = 4096;

/**
 * QEMU (machine type q35): each card behind a root port of its own, its functions together in one slot as on
 * the host, which drivers expect of a card and its sound. Function 0 has to be there for the guest to look
 * for others; where the group lacks it, functions move up.
 */
export function qemuArguments({ devices, cliques }: Assignment): VmmArguments {
  const options = slots(devices).flatMap(({ functions }, index): (readonly [string, string])[] => {
    const port = `vfio-hook-${index}`;
    return [
      ['-device', `pcie-root-port,id=${port},chassis=${FIRST_CHASSIS + index}`],
      ...functions.map(({ device, guestFunction }): [string, string] => {
        const clique = cliques.get(device.address);
        return [
          '-device',
          [
            `vfio-pci,host=${device.address}`,
            `bus=${port}`,
            `addr=00.${guestFunction}`,
            ...(guestFunction === 0 && functions.length > 1 ? ['multifunction=on'] : []),
            ...(clique === undefined ? [] : [`x-nv-gpudirect-clique=${clique}`]),
          ].join(','),
        ];
      }),
    ];
  });
  return { options, warnings: [] };
}

/** Out of the way of the root ports that people number by hand from 1. */
const FIRST_CHASSIS = 100;

/**
 * libvirt: a `<hostdev>` for each function, the functions of a card together in one slot of the guest. Buses
 * that the guest has not got are added by libvirt itself (a root port each, on q35).
 */
export function libvirtXml({ devices }: Assignment): string {
  return slots(devices)
    .flatMap(({ functions }, index) =>
      functions.map(({ device, guestFunction }) => {
        const { domain, bus, slot, function: fn } = pciAddressParts(device.address);
        const several = guestFunction === 0 && functions.length > 1 ? " multifunction='on'" : '';
        // libvirt must not take such a virtual function from NVIDIA's driver.
        const managed = device.vgpuType === undefined ? 'yes' : 'no';
        return [
          `<hostdev mode='subsystem' type='pci' managed='${managed}'>`,
          `  <source>`,
          `    <address domain='0x${hex(domain, 4)}' bus='0x${hex(bus, 2)}' slot='0x${hex(slot, 2)}' function='0x${fn}'/>`,
          `  </source>`,
          `  <address type='pci' domain='0x0000' bus='0x${hex(FIRST_BUS + index, 2)}' slot='0x00' function='0x${guestFunction}'${several}/>`,
          '</hostdev>',
        ].join('\n');
      }),
    )
    .join('\n');
}

/** The element of a mediated device; libvirt chooses its place in the guest. `model` as the type's device_api says it. */
export function mdevXml(uuid: string, model: string): string {
  return [
    `<hostdev mode='subsystem' type='mdev' model='${model}'>`,
    '  <source>',
    `    <address uuid='${uuid}'/>`,
    '  </source>',
    '</hostdev>',
  ].join('\n');
}

/** Mediated devices for the others: by their directory in sysfs (QEMU's sysfsdev, Cloud Hypervisor's path). */
export function mdevArguments(
  uuids: readonly string[],
  format: 'qemu' | 'cloud-hypervisor',
): readonly (readonly string[])[] {
  if (format === 'qemu') return uuids.map((uuid) => ['-device', `vfio-pci,sysfsdev=${sysfs.mdev(uuid)}`]);
  return [['--device', ...uuids.map((uuid) => `path=${sysfs.mdev(uuid)}/`)]];
}

/** Above the fourteen root ports that virt-install makes. */
const FIRST_BUS = 0x10;

interface Slot {
  readonly functions: readonly { readonly device: PciDevice; readonly guestFunction: number }[];
}

/** The devices by the card that they are on, each with the function number that it gets in the guest. */
function slots(devices: readonly PciDevice[]): Slot[] {
  const bySlot = new Map<string, PciDevice[]>();
  for (const device of devices) {
    // Virtual functions are cards of their own, which share slots by chance.
    const slot = device.physicalFunction === undefined ? slotOf(device.address) : device.address;
    bySlot.set(slot, [...(bySlot.get(slot) ?? []), device]);
  }
  return [...bySlot.values()].map((members) => {
    const numbers = members.map(({ address }) => pciAddressParts(address).function);
    const keep = numbers.includes(0);
    return {
      functions: members.map((device, index) => ({
        device,
        guestFunction: keep ? (numbers[index] ?? index) : index,
      })),
    };
  });
}

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, '0');
}
