import type { PciAddress } from '../pci/address.ts';
import { QEMU_NAMESPACE } from './commandline.ts';
import { childrenNamed, type Element } from './element.ts';
import { bytesOf, sizeInBytes } from './bytes.ts';
import { at, guestSystem, type GuestSystem } from './guest-system.ts';
import { readDomainElement, wholly } from './parse.ts';
import { parseNumber, readPciAddress, readSource } from './source.ts';

/**
 * What a domain XML says besides its assigned devices, as far as advice on it goes. Nothing decides by it what
 * happens to the host.
 */
export interface Features {
  /** `<domain type='…'>`: `kvm`, `qemu`; empty when the XML does not say. */
  readonly virtType: string;
  /** `<type machine='…'>`, such as `pc-q35-9.2`; empty when the XML does not say. */
  readonly machine: string;
  readonly efi: boolean;
  /** Bytes that the guest can come to have: `<memory>`, or `<maxMemory>` where there is one. */
  readonly memory: number;
  /** `<memoryBacking><hugepages>`: sizes of pages in bytes; an empty list stands for the host's default size. */
  readonly hugepages?: readonly number[];
  /** Bytes: `<memtune><hard_limit>`. */
  readonly hardLimit?: number;
  /** `<memoryBacking><locked/>`. */
  readonly locked: boolean;
  readonly system: GuestSystem;
  /** `<features><hyperv>` is there. */
  readonly hyperv: boolean;
  /** `<hyperv><vendor_id state='on' value='…'/>`. */
  readonly hypervVendorId?: string;
  /** `<kvm><hidden state='on'/>`. */
  readonly kvmHidden: boolean;
  /** `<cpu><maxphysaddr>` is there. */
  readonly physicalAddressBits: boolean;
  /** Assigned PCI devices that libvirt knows of, in document order within each form. */
  readonly devices: readonly AssignedDevice[];
  /** `<hostdev type='usb'>`. */
  readonly usbDevices: number;
  /** Disks by the path of a block device on the host. */
  readonly blockDisks: readonly { readonly path: string; readonly target: string }[];
  /** Values of `<qemu:arg>`. */
  readonly qemuArguments: readonly string[];
  /** Names of properties that `<qemu:override>` sets. */
  readonly overriddenProperties: readonly string[];
}

/** One `<hostdev type='pci'>` or `<interface type='hostdev'>`. */
export interface AssignedDevice {
  readonly form: 'hostdev' | 'interface';
  readonly address: PciAddress;
  /** QEMU's id of the device: `<alias name='ua-…'/>`, else the one that libvirt gives at the start. */
  readonly alias: string;
  /** Where the guest sees it; absent while libvirt has not chosen. */
  readonly seenAt?: GuestAddress;
  /** `<rom>`: absent when there is none. */
  readonly rom?: { readonly off: boolean; readonly file?: string };
  /** `<driver iommufd='yes'/>`. */
  readonly iommufd: boolean;
}

/** A PCI address inside of the guest. */
export interface GuestAddress {
  /** Domain, bus and slot in one text: the same for functions of one card. */
  readonly slot: string;
  readonly function: number;
  readonly multifunction: boolean;
}

const READ = wholly(
  'name',
  'uuid',
  'os',
  'memory',
  'maxMemory',
  'memoryBacking',
  'memtune',
  'features',
  'cpu',
  'clock',
  'devices',
  'commandline',
  'override',
);

/**
 * Reads the features of a document that {@link parseDomain} takes. What is odd is left out and not refused:
 * it is libvirt's to judge. Throws VH_XML for a document that is none.
 */
export function readFeatures(xml: string): Features {
  const domain = readDomainElement(xml, READ);
  const devices = childrenNamed(domain, 'devices').flatMap(({ children }) =>
    children.filter(({ namespace }) => namespace === ''),
  );
  const hyperv = at(domain, 'features', 'hyperv');
  const vendorId = hyperv && at(hyperv, 'vendor_id');
  const hardLimit = bytesOf(at(domain, 'memtune', 'hard_limit'));
  const backing = at(domain, 'memoryBacking');
  const hugepages = backing && at(backing, 'hugepages');
  const os = at(domain, 'os');
  return {
    virtType: attribute(domain, 'type') ?? '',
    machine: attribute(os && at(os, 'type'), 'machine') ?? '',
    efi: attribute(os, 'firmware') === 'efi' || attribute(os && at(os, 'loader'), 'type') === 'pflash',
    memory: bytesOf(at(domain, 'maxMemory')) ?? bytesOf(at(domain, 'memory')) ?? 0,
    ...(hugepages && { hugepages: pageSizes(hugepages) }),
    ...(hardLimit !== undefined && { hardLimit }),
    locked: backing !== undefined && at(backing, 'locked') !== undefined,
    system: guestSystem(xml, domain),
    hyperv: hyperv !== undefined,
    ...(attribute(vendorId, 'state') === 'on' && { hypervVendorId: attribute(vendorId, 'value') ?? '' }),
    kvmHidden: attribute(at(domain, 'features', 'kvm', 'hidden'), 'state') === 'on',
    physicalAddressBits: at(domain, 'cpu', 'maxphysaddr') !== undefined,
    devices: assignedDevices(devices),
    usbDevices: devices.filter((device) => device.name === 'hostdev' && attribute(device, 'type') === 'usb')
      .length,
    blockDisks: devices.flatMap(blockDisk),
    qemuArguments: childrenNamed(domain, 'commandline', QEMU_NAMESPACE).flatMap((line) =>
      childrenNamed(line, 'arg', QEMU_NAMESPACE).map((arg) => attribute(arg, 'value') ?? ''),
    ),
    overriddenProperties: childrenNamed(domain, 'override', QEMU_NAMESPACE).flatMap(propertyNames),
  };
}

function attribute(element: Element | undefined, name: string): string | undefined {
  return element?.attributes.get(name);
}

function pageSizes(hugepages: Element): readonly number[] {
  const sizes = childrenNamed(hugepages, 'page').flatMap(
    (page) => sizeInBytes(attribute(page, 'size') ?? '', attribute(page, 'unit')) ?? [],
  );
  return [...new Set(sizes)];
}

/**
 * libvirt gives the ids hostdev0, hostdev1, … at the start, to interfaces first
 * (src/qemu/qemu_alias.c:qemuAssignDeviceAliases).
 */
function assignedDevices(devices: readonly Element[]): AssignedDevice[] {
  const forms = ['interface', 'hostdev'] as const;
  let next = 0;
  return forms.flatMap((form) =>
    devices.flatMap((element): AssignedDevice[] => {
      const type = attribute(element, 'type');
      if (element.name !== form || attribute(element, 'mode') === 'capabilities') return [];
      if (form === 'interface' ? type !== 'hostdev' : type === undefined) return [];
      const own = attribute(at(element, 'alias'), 'name');
      const alias = own ?? `hostdev${next}`;
      if (own === undefined) next += 1;
      if (form === 'hostdev' && type !== 'pci') return [];
      const source = readSource(element, `<${form}>`).address;
      if (attribute(source, 'type') === 'usb') return [];
      const seenAt = guestAddress(childrenNamed(element, 'address')[0]);
      const rom = at(element, 'rom');
      const file = attribute(rom, 'file');
      return [
        {
          form,
          address: readPciAddress(source, `<${form}>`),
          alias,
          ...(seenAt && { seenAt }),
          ...(rom && {
            rom: {
              off: attribute(rom, 'bar') === 'off' || attribute(rom, 'enabled') === 'no',
              ...(file !== undefined && { file }),
            },
          }),
          iommufd: attribute(at(element, 'driver'), 'iommufd') === 'yes',
        },
      ];
    }),
  );
}

function guestAddress(element: Element | undefined): GuestAddress | undefined {
  if (!element || attribute(element, 'type') !== 'pci') return undefined;
  const part = (name: string): number => parseNumber(attribute(element, name) ?? '0') ?? 0;
  return {
    slot: [part('domain'), part('bus'), part('slot')].map((value) => value.toString(16)).join(':'),
    function: part('function'),
    multifunction: attribute(element, 'multifunction') === 'on',
  };
}

function blockDisk(disk: Element): { readonly path: string; readonly target: string }[] {
  if (disk.name !== 'disk' || attribute(disk, 'type') !== 'block') return [];
  const path = attribute(at(disk, 'source'), 'dev');
  return path === undefined ? [] : [{ path, target: attribute(at(disk, 'target'), 'dev') ?? '' }];
}

function propertyNames(override: Element): string[] {
  return override.children.flatMap((child) => [
    ...(child.name === 'property' && child.namespace === QEMU_NAMESPACE
      ? [attribute(child, 'name') ?? '']
      : []),
    ...propertyNames(child),
  ]);
}
