/** NVIDIA as the vendor of a device. */
export const NVIDIA_VENDOR = '10de';

/** NVIDIA's PCI driver, and the module that has it. */
export const NVIDIA = 'nvidia';

/** The modules of NVIDIA's driver, each before what it uses: that is the order in which they can be unloaded. */
export const nvidiaModules = [
  'nvidia_drm',
  'nvidia_modeset',
  'nvidia_peermem',
  'nvidia_uvm',
  NVIDIA,
] as const;

/** The module that keeps every card open on its own while it has mode setting on. */
export const NVIDIA_DRM = 'nvidia_drm';

/**
 * The oldest driver that was seen to take its own DRM client from a card before it waits for the others
 * (kernel-open/nvidia/nv-pci.c:nv_pci_remove_helper, nvidia_modeset_remove).
 */
const LETS_GO_SINCE = 595;

/** Whether the driver of this version (/sys/module/nvidia/version) lets go of a card that only nvidia_drm keeps open. */
export function drmLetsGo(version: string | undefined): boolean {
  return Number(/^\d+/.exec(version ?? '')?.[0] ?? 0) >= LETS_GO_SINCE;
}

/** Whether a parameter that is true or false is on: as the kernel prints it, or as people write it. */
export function isOn(value: string | undefined): boolean {
  return /^[Yy1]/.test(value?.trim() ?? '');
}

/** The device nodes whose open files count as uses of one of these modules, of the names below /dev and /dev/dri. */
export function nvidiaNodesOf(
  module: string,
  names: readonly string[],
  graphics: readonly string[],
): readonly string[] {
  const below = (pattern: RegExp): string[] =>
    names.filter((name) => pattern.test(name)).map((name) => `/dev/${name}`);
  switch (module) {
    case 'nvidia_drm':
      return graphics.filter((name) => /^(?:card|renderD)\d/.test(name)).map((name) => `/dev/dri/${name}`);
    case 'nvidia_modeset':
      return below(/^nvidia-modeset$/);
    case 'nvidia_uvm':
      return below(/^nvidia-uvm/);
    case NVIDIA:
      return below(/^nvidia(?:\d+|ctl)$/);
    default:
      return [];
  }
}
