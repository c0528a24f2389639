import type { PciDevice } from './device.ts';

/** One line `alias vfio_pci:… module` of modules.alias: a vfio driver made for certain devices. */
export interface VfioAlias {
  /** The pattern after `vfio_pci:`, such as `v000015B3d0000101Esv*sd*bc*sc*i*`. */
  readonly pattern: string;
  /** Module name as depmod wrote it, such as `mlx5_vfio_pci`. */
  readonly module: string;
}

/** One line `alias pci:… module`: a driver of the host for certain devices. The fields are those of {@link VfioAlias}. */
export type HostAlias = VfioAlias;

/** depmod puts one more `*` behind each pattern of a module (scripts/mod/file2alias.c:do_pci_entry), which says nothing. */
const FIELDS =
  /^v([0-9A-F]{8}|\*)d([0-9A-F]{8}|\*)sv([0-9A-F]{8}|\*)sd([0-9A-F]{8}|\*)bc([0-9A-F]{2}|\*)sc([0-9A-F]{2}|\*)i([0-9A-F]{2}|\*)\*?$/i;

/** The `alias vfio_pci:` lines of a modules.alias file, in the file's order. Other lines are passed over. */
export function parseVfioAliases(text: string): VfioAlias[] {
  return parseAliases(text, 'vfio_pci');
}

/** The `alias pci:` lines of a modules.alias file that name one of these vendors (four hexadecimal digits) or all of them. */
export function parseHostAliases(text: string, vendors: readonly string[]): HostAlias[] {
  return [...vendors.map((vendor) => `v0000${vendor.toUpperCase()}`), 'v*'].flatMap((start) =>
    parseAliases(text, 'pci', start),
  );
}

/**
 * The same of a modules.builtin.modinfo file, which has them for the drivers that are part of the kernel itself:
 * `nvme.alias=pci:…`, each ended by a NUL (Linux 5.2 and later).
 */
export function parseBuiltinAliases(text: string): HostAlias[] {
  return builtinAliases(text, /(?<=^|\0)([\w-]+)\.alias=pci:([^\0]+)/g);
}

/** As {@link parseBuiltinAliases}, for vfio drivers that are part of the kernel itself. */
export function parseBuiltinVfioAliases(text: string): VfioAlias[] {
  return builtinAliases(text, /(?<=^|\0)([\w-]+)\.alias=vfio_pci:([^\0]+)/g);
}

function builtinAliases(text: string, line: RegExp): VfioAlias[] {
  return [...text.matchAll(line)].map(([, module = '', pattern = '']) => ({ pattern, module }));
}

function parseAliases(text: string, kind: 'pci' | 'vfio_pci', start = ''): VfioAlias[] {
  const prefix = `alias ${kind}:`;
  const marker = `${prefix}${start}`;
  const found: VfioAlias[] = [];
  // The file has 20,000 lines and more, of which few matter: search, do not split.
  for (let at = text.indexOf(marker); at !== -1; at = text.indexOf(marker, at + 1)) {
    const end = text.indexOf('\n', at);
    const line = text.slice(at + prefix.length, end === -1 ? undefined : end);
    const [pattern, module] = line.split(/\s+/);
    if (pattern && module) found.push({ pattern, module });
  }
  return found;
}

/**
 * The module of the host that fits a device best: the one whose pattern has the fewest `*`, the first of equals.
 * The kernel itself asks every driver that fits, in an order that nobody can tell beforehand; of a general driver
 * and one for this very device this names the latter.
 */
export function bestHostModule(modalias: string, aliases: readonly HostAlias[]): string | undefined {
  return bestVfioAlias(
    modalias,
    aliases.filter(({ module }) => !module.includes('vfio')),
  )?.module;
}

/**
 * The alias that serves a device best, by libvirt's rule: each of the seven fields equal or `*`, the fewest
 * `*` win, the first wins a tie (src/util/virpci.c:virPCIDeviceFindBestVFIOVariant, libvirt 10.0).
 * `modalias` is the device's own, `pci:v…d…sv…sd…bc…sc…i…`.
 */
export function bestVfioAlias(modalias: string, aliases: readonly VfioAlias[]): VfioAlias | undefined {
  const own = fields(modalias.trim().replace(/^pci:/, ''));
  if (!own) return undefined;
  let best: VfioAlias | undefined;
  let fewest = Infinity;
  for (const alias of aliases) {
    const theirs = fields(alias.pattern);
    if (!theirs?.every((field, index) => field === '*' || field === own[index])) continue;
    const wildcards = theirs.filter((field) => field === '*').length;
    if (wildcards < fewest) {
      best = alias;
      fewest = wildcards;
    }
  }
  return best;
}

/**
 * The ids in a device's own modalias, as its attributes of these names have them: the kernel prints all of them from one
 * place (drivers/pci/pci-sysfs.c:modalias_show), and reading it takes no lock, as reading `uevent` does (Linux 6.1).
 * Undefined for a text that is none.
 */
export function idsOf(
  modalias: string,
): Pick<PciDevice, 'vendor' | 'device' | 'subsystemVendor' | 'subsystemDevice' | 'class'> | undefined {
  const match =
    /^pci:v0000([0-9A-F]{4})d0000([0-9A-F]{4})sv0000([0-9A-F]{4})sd0000([0-9A-F]{4})bc([0-9A-F]{2})sc([0-9A-F]{2})i([0-9A-F]{2})$/i.exec(
      modalias,
    );
  if (!match) return undefined;
  const [vendor = '', device = '', subsystemVendor = '', subsystemDevice = '', ...codes] = match
    .slice(1)
    .map((digits) => digits.toLowerCase());
  return { vendor, device, subsystemVendor, subsystemDevice, class: codes.join('') };
}

function fields(pattern: string): string[] | undefined {
  return FIELDS.exec(pattern)
    ?.slice(1)
    .map((field) => field.toUpperCase());
}
