import { advice } from '../hint.ts';
import { VfioHookError } from '../errors.ts';
import type { Host } from '../host/host.ts';
import { comparePciAddresses, parsePciAddress, type PciAddress } from '../pci/address.ts';
import { parseBarSize } from '../pci/bar.ts';
import { isDisplay } from '../pci/class.ts';
import { quoteName } from '../text.ts';
import { companionsOf, identities, isPartOf, type Identity } from './identity.ts';
import { checkVendor, readVendor, type Vendor } from './vendor.ts';
import type { Call, OptionSpec } from './command.ts';

/** The devices that a command line names. */
export interface Selection {
  /** In order of address, each once. */
  readonly devices: readonly PciAddress[];
  /**
   * What belongs to the graphics cards among them, is in another IOMMU group and was not named: sound, USB, UCSI.
   */
  readonly companions: readonly PciAddress[];
  /** Wished sizes in bytes by BAR index. */
  readonly bars: ReadonlyMap<PciAddress, ReadonlyMap<number, number>>;
  /** Whether they were named by what they are and not by where: then some may be passed over. */
  readonly isPattern: boolean;
}

/** The operand of commands that take devices in place of guests. */
export const addressOperand = {
  name: 'ADDRESS',
  about: 'PCI address: 01:00.0, 0000:01:00.0 or pci_0000_01_00_0; whole IOMMU groups are moved',
  optional: true,
  repeated: true,
} as const;

/** The other ways to name devices. */
export const selectionOptions: readonly OptionSpec[] = [
  {
    name: 'device-id',
    short: 'd',
    value: 'VENDOR:DEVICE',
    about: 'every device with this id, such as 10de:2204; or one address',
  },
  {
    name: 'vendor',
    value: 'VENDOR',
    about:
      'every graphics card of this vendor: nvidia, amd, intel, or an id such as 10de or 0x10de; with ADDRESS, refuse what ' +
      'is of another vendor',
  },
  { name: 'all', short: 'a', about: 'every graphics card' },
];

/**
 * Reads which devices are meant: by addresses, or by exactly one of the options; `--vendor` beside addresses is a
 * check. Graphics cards (class 03) come with the other functions of their vendor in the same slot: sound, USB, UCSI.
 * An APU has functions of another vendor beside its graphics, such as the host's own USB controllers; they stay.
 * None has to be named where something else is asked for (`mayBeNone`). Throws VH_USAGE, VH_NO_DEVICE when a pattern fits no device, and VH_REFUSED for a device of another vendor.
 */
export function readSelection({ operands, options, lists }: Call, host: Host, mayBeNone = false): Selection {
  const id = options.get('device-id');
  // vfio-manage takes an address there.
  const [idAddress] = typeof id === 'string' && parsePciAddress(id) ? [id] : [];
  const words = [...operands, ...(idAddress === undefined ? [] : [idAddress])];
  const ways = [
    ...(operands.length > 0 ? ['ADDRESS'] : []),
    ...selectionOptions.flatMap(({ name }) => (options.has(name) ? [`--${name}`] : [])),
  ].filter((way) => words.length === 0 || way !== '--vendor');
  if (ways.length === 0 && mayBeNone) {
    return { devices: [], companions: [], bars: new Map(), isPattern: false };
  }
  if (ways.length !== 1) {
    throw new VfioHookError(
      'VH_USAGE',
      ways.length === 0 ? 'no device is named' : `${ways.join(' and ')} do not go together`,
      { hints: [advice('give addresses, or one of --device-id, --vendor and --all')] },
    );
  }
  const named = words.map(readDevice);
  const bars = new Map(named.map(({ address, bars: sizes }) => [address, new Map(sizes)]));
  for (const text of lists.get('bar') ?? []) addBar(bars, text);
  const vendorWord = options.get('vendor');
  const vendor = typeof vendorWord === 'string' ? readVendor(vendorWord) : undefined;
  const devices = sorted(
    named.length > 0 ? named.map(({ address }) => address) : matching(options, vendor, host),
  );
  if (named.length > 0 && vendor) checkVendor(host, devices, vendor);
  return {
    devices,
    companions: named.length > 0 ? companionsOf(host, devices) : [],
    bars: new Map([...bars].filter(([, sizes]) => sizes.size > 0)),
    isPattern: named.length === 0,
  };
}

/** Reads `01:00.0` or `01:00.0,bar2=8MiB`. Throws VH_USAGE. */
export function readDevice(text: string): {
  readonly address: PciAddress;
  readonly bars: ReadonlyMap<number, number>;
} {
  const [word = '', ...settings] = text.split(',');
  const bars = new Map<number, number>();
  for (const setting of settings) {
    const match = /^bar([0-5])=(.+)$/i.exec(setting);
    if (!match) throw usage(`${quoteName(setting)} is no size of a BAR`, `write ${word},bar2=8MiB`);
    bars.set(Number(match[1]), readSize(match[2] ?? ''));
  }
  return { address: readAddress(word), bars };
}

/** Reads `01:00.0:2=8MiB`. */
function addBar(bars: Map<PciAddress, Map<number, number>>, text: string): void {
  const match = /^(.+):([0-5])=(.+)$/.exec(text);
  if (!match) throw usage(`${quoteName(text)} is no size of a BAR`, 'write --bar 0000:01:00.0:2=8MiB');
  const address = readAddress(match[1] ?? '');
  const sizes = bars.get(address) ?? new Map<number, number>();
  bars.set(address, sizes.set(Number(match[2]), readSize(match[3] ?? '')));
}

function readAddress(text: string): PciAddress {
  const address = parsePciAddress(text);
  if (address) return address;
  throw usage(`${quoteName(text)} is no PCI address`, 'write it as lspci -D prints it: 0000:01:00.0');
}

function readSize(text: string): number {
  const size = parseBarSize(text);
  if (size !== undefined) return size;
  throw usage(`${quoteName(text)} is no BAR size`, 'write a power of two from 1MiB to 128TiB, such as 8MiB');
}

function matching(options: Call['options'], vendor: Vendor | undefined, host: Host): PciAddress[] {
  const all = identities(host);
  const id = options.get('device-id');
  if (typeof id === 'string') {
    const wanted = id.toLowerCase().replaceAll('0x', '');
    if (!/^[0-9a-f]{4}:[0-9a-f]{4}$/.test(wanted))
      throw usage(`${quoteName(id)} is no vendor and device id`, 'write them as lspci -nn does: 10de:2204');
    const found = all.filter(({ vendor: v, device: d }) => `${v}:${d}` === wanted);
    return atLeastOne(found, `no device of this host has the id ${wanted}`);
  }
  const cards = all.filter(
    ({ class: code, vendor: v }) => isDisplay(code) && (vendor === undefined || v === vendor.id),
  );
  const found = all.filter((each) => cards.some((card) => isPartOf(card, each)));
  return atLeastOne(
    found,
    `this host has no graphics card${vendor === undefined ? '' : ` of ${vendor.shown}`}`,
  );
}

function atLeastOne(found: readonly Identity[], otherwise: string): PciAddress[] {
  if (found.length > 0) return found.map(({ address }) => address);
  throw new VfioHookError('VH_NO_DEVICE', otherwise, { hints: [advice('compare with: lspci -nn')] });
}

function sorted(addresses: readonly PciAddress[]): PciAddress[] {
  return [...new Set(addresses)].sort(comparePciAddresses);
}

function usage(message: string, hint: string): VfioHookError {
  return new VfioHookError('VH_USAGE', message, { hints: [advice(hint)] });
}
