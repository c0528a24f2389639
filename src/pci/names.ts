import { builtInClassName } from './class.ts';
import type { PciDevice } from './device.ts';

/** What names a device: ids as in {@link PciDevice}. */
export type PciIdentity = Pick<PciDevice, 'vendor' | 'device' | 'class' | 'revision'>;

/** What names the board that a device sits on. */
export type PciSubsystem = Pick<PciDevice, 'vendor' | 'device' | 'subsystemVendor' | 'subsystemDevice'>;

/** A part of pci.ids: from the line after a name to the next line of the same rank. */
interface Entry {
  readonly name: string;
  readonly start: number;
  readonly end: number;
}

/**
 * Names from the text of pci.ids (1.3 MB). Each look-up searches the text for one line, since parsing all of
 * it takes a hundred times as long as the few names that a listing needs. The text may be empty: everything
 * but the common class names is unknown then, and ids take the place of names.
 */
export interface PciNames {
  /** `NVIDIA Corporation`; undefined when unknown. */
  vendor(vendor: string): string | undefined;
  /** `GA102 [GeForce RTX 3090]`; undefined when unknown. */
  device(vendor: string, device: string): string | undefined;
  /** `VGA compatible controller`; the class's name when the subclass has none, undefined when both are unknown. */
  class(code: string): string | undefined;
  /** As `lspci -nn` prints a device, without its address: `VGA compatible controller [0300]: NVIDIA Corporation GA102 [GeForce RTX 3090] [10de:2204] (rev a1)`. */
  describe(identity: PciIdentity): string;
  /** The same without class and revision: `NVIDIA Corporation GA102 [GeForce RTX 3090] [10de:2204]`. */
  describeModel(identity: Pick<PciIdentity, 'vendor' | 'device'>): string;
  /** As lspci prints a board: `ASUSTeK Computer Inc. Device [1043:87b5]`; undefined when the device has no subsystem ids. */
  describeSubsystem(subsystem: PciSubsystem): string | undefined;
}

/** Makes names from the text of pci.ids, or from nothing. See {@link PciNames}. */
export function pciNames(pciIds = ''): PciNames {
  const text = `\n${pciIds}`;
  const whole: Entry = { name: '', start: 0, end: text.length };
  const find = (within: Entry | undefined, rank: number, key: string): Entry | undefined =>
    within && findEntry(text, within, rank, key);

  const vendorEntry = (vendor: string): Entry | undefined => find(whole, 0, vendor);
  const deviceEntry = (vendor: string, device: string): Entry | undefined =>
    find(vendorEntry(vendor), 1, device);

  const names: PciNames = {
    vendor: (vendor) => vendorEntry(vendor)?.name,
    device: (vendor, device) => deviceEntry(vendor, device)?.name,
    class: (code) => {
      const top = find(whole, 0, `C ${code.slice(0, 2)}`);
      return find(top, 1, code.slice(2, 4))?.name ?? top?.name ?? builtInClassName(code);
    },
    describe: (identity) => {
      const code = identity.class.slice(0, 4);
      const revision = identity.revision === '00' ? '' : ` (rev ${identity.revision})`;
      return `${names.class(code) ?? 'Class'} [${code}]: ${names.describeModel(identity)}${revision}`;
    },
    describeModel: ({ vendor, device }) =>
      pair(names.vendor(vendor), names.device(vendor, device), vendor, device),
    describeSubsystem: ({ vendor, device, subsystemVendor, subsystemDevice }) => {
      if (/^(?:0000|ffff)?$/.test(subsystemVendor)) return undefined;
      const known = find(deviceEntry(vendor, device), 2, `${subsystemVendor} ${subsystemDevice}`)?.name;
      // Boards that repeat the device's own ids are that device (pciutils lib/names.c:id_lookup_subsys).
      const same = vendor === subsystemVendor && device === subsystemDevice;
      const name = known ?? (same ? names.device(vendor, device) : undefined);
      return pair(names.vendor(subsystemVendor), name, subsystemVendor, subsystemDevice);
    },
  };
  return names;
}

/** `Vendor Model [vvvv:dddd]`; lspci says `Device` for what it does not know (lib/names.c:format_name_pair). */
function pair(vendor: string | undefined, model: string | undefined, vendorId: string, id: string): string {
  const name = vendor === undefined ? 'Device' : `${vendor} ${model ?? 'Device'}`;
  return `${name} [${vendorId}:${id}]`;
}

/** Ends of entries by rank: the next line with at most that many tabs that is neither empty nor a comment. */
const ENDS = [/\n(?=[^\t#\n])/g, /\n(?=\t?[^\t#\n])/g, /\n/g] as const;

/**
 * Finds the line `<rank tabs><key><two blanks><name>` inside another entry. A line of pci.ids is a vendor or
 * a class (`C 03`) at rank 0, a device or subclass at 1, a board at 2.
 */
function findEntry(text: string, within: Entry, rank: number, key: string): Entry | undefined {
  const line = `\n${'\t'.repeat(rank)}${key}  `;
  const at = text.indexOf(line, within.start);
  if (at === -1 || at >= within.end) return undefined;
  const nameStart = at + line.length;
  const newline = text.indexOf('\n', nameStart);
  const nameEnd = newline === -1 ? text.length : newline;
  const name = text.slice(nameStart, nameEnd).trim();
  const next = ENDS[rank];
  if (name === '' || !next) return undefined;
  next.lastIndex = nameEnd;
  return {
    name,
    start: nameEnd,
    end: next.exec(text)?.index ?? text.length,
  };
}
