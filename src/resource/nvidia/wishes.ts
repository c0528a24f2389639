import type { NvidiaRules } from '../../config/config.ts';
import type { PciAddress } from '../../pci/address.ts';
import { NVIDIA_DRM, nvidiaModules } from '../../pci/nvidia.ts';
import type { Wish } from '../kind.ts';
import { PERSISTENCED } from './units.ts';

/** What there is of NVIDIA's driver on a host where a guest is given cards that are on it. */
export interface NvidiaHost {
  /** Whole cards that the guest is given, which are on the driver, or were before an unfinished start of the guest. */
  readonly taken: readonly PciAddress[];
  /** Cards on the driver that stay with the host. */
  readonly staying: readonly PciAddress[];
  /** Those of src/resource/nvidia/units.ts that are installed. */
  readonly units: readonly string[];
  /** Whether there is nvidia-smi. */
  readonly hasSmi: boolean;
  /** Modules of the driver that are loaded, or were before an unfinished start of the guest. */
  readonly modules: readonly string[];
  /** nvidia_drm has mode setting on, so that it has every card open, or had before an unfinished start of the guest. */
  readonly modeset: boolean;
}

/**
 * What a guest needs of NVIDIA's driver so that its cards can be taken from it. Where other cards stay, their modules do
 * as well, and so does the daemon that can let go of single ones.
 */
export function nvidiaWishes(rules: NvidiaRules, host: NvidiaHost | undefined): readonly Wish[] {
  if (!host || host.taken.length === 0) return [];
  return [...(rules.services === 'auto' ? serviceWishes(host) : []), ...moduleWishes(rules.modules, host)];
}

/** Persistence before units: on the way back it is set once the daemon runs, which sets it as it likes. */
function serviceWishes({ taken, staying, units, hasSmi }: NvidiaHost): readonly Wish[] {
  const keepsDaemon = hasSmi && staying.length > 0;
  return [
    ...(hasSmi ? taken : []).map((key): Wish => ({ kind: 'persistence', key, wish: { on: false } })),
    ...units
      .filter((key) => !(keepsDaemon && key === PERSISTENCED))
      .map((key): Wish => ({ kind: 'unit', key, wish: { active: false } })),
  ];
}

/** Only what is needed goes: what is loaded anew may be another version than the one that was running. */
function moduleWishes(rule: NvidiaRules['modules'], { staying, modules, modeset }: NvidiaHost): Wish[] {
  if (rule === 'keep' || staying.length > 0) return [];
  const needed = rule === 'unload' ? nvidiaModules : modeset ? [NVIDIA_DRM] : [];
  return needed
    .filter((module) => modules.includes(module))
    .map((key) => ({ kind: 'module', key, wish: { loaded: false } }));
}
