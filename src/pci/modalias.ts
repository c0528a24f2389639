/** One line `alias vfio_pci:… module` of modules.alias: a vfio driver made for certain devices. */
export interface VfioAlias {
  /** The pattern after `vfio_pci:`, such as `v000015B3d0000101Esv*sd*bc*sc*i*`. */
  readonly pattern: string;
  /** Module name as depmod wrote it, such as `mlx5_vfio_pci`. */
  readonly module: string;
}

const FIELDS =
  /^v([0-9A-F]{8}|\*)d([0-9A-F]{8}|\*)sv([0-9A-F]{8}|\*)sd([0-9A-F]{8}|\*)bc([0-9A-F]{2}|\*)sc([0-9A-F]{2}|\*)i([0-9A-F]{2}|\*)$/i;

/** The `alias vfio_pci:` lines of a modules.alias file, in the file's order. Other lines are passed over. */
export function parseVfioAliases(text: string): VfioAlias[] {
  const marker = 'alias vfio_pci:';
  const found: VfioAlias[] = [];
  // The file has 20,000 lines and more, of which a dozen matter: search, do not split.
  for (let at = text.indexOf(marker); at !== -1; at = text.indexOf(marker, at + 1)) {
    const end = text.indexOf('\n', at);
    const [pattern, module] = text.slice(at + marker.length, end === -1 ? undefined : end).split(/\s+/);
    if (pattern && module) found.push({ pattern, module });
  }
  return found;
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

function fields(pattern: string): string[] | undefined {
  return FIELDS.exec(pattern)
    ?.slice(1)
    .map((field) => field.toUpperCase());
}
