import type { MachineSpec, ModuleSpec } from './spec.ts';
import { deviceByUid, type Device, type MachineState } from './state.ts';

/*
 * What NVIDIA's driver keeps of its cards besides the open files of processes: its DRM client, and persistence mode.
 */

/** What a description says of NVIDIA's driver; absent parts are not there. */
export interface NvidiaDescription {
  /** Such as 550.163.01. */
  readonly version: string;
  /** Whether nvidia_drm has mode setting on. */
  readonly modeset: boolean;
}

/** The modules of the driver besides the one with the PCI driver; they are loaded where a description tells of them. */
export function nvidiaModules(described: NvidiaDescription | undefined): readonly ModuleSpec[] {
  const module = (name: string, depends: readonly string[], parameters: ModuleSpec['parameters'] = {}) => ({
    name,
    depends,
    softDepends: [],
    builtin: false,
    loaded: described !== undefined,
    parameters,
    aliases: [],
  });
  return [
    module('nvidia_modeset', ['nvidia']),
    module('nvidia_drm', ['nvidia_modeset'], { modeset: described?.modeset ? 'Y' : 'N', fbdev: 'Y' }),
    module('nvidia_uvm', ['nvidia']),
  ];
}

/** nvidia_drm comes: it becomes a client of each card that is there, where it sets modes (nv_drm_probe_devices). */
export function drmLoaded(state: MachineState): void {
  for (const device of Object.values(state.devices)) becomeClient(state, device);
}

/** nvidia_drm goes, with all that it has open. */
export function drmUnloaded(state: MachineState): void {
  for (const device of Object.values(state.devices)) delete device.drmClient;
}

/** A card comes to the driver: drivers from 595 on tell nvidia_drm of it, older ones do not. */
export function cardBound(state: MachineState, device: Device): void {
  if (tellsDrm(state.spec)) becomeClient(state, device);
}

/** A card leaves the driver: those from 595 on take the client from it first (kernel-open/nvidia/nv-pci.c). */
export function cardLeaves(state: MachineState, uid: number): void {
  const device = deviceByUid(state, uid);
  if (device?.driver === 'nvidia' && tellsDrm(state.spec)) delete device.drmClient;
}

/** A card has left the driver, which forgets it. */
export function cardGone(device: Device): void {
  delete device.drmClient;
  delete device.persistence;
}

function becomeClient(state: MachineState, device: Device): void {
  const drm = state.modules['nvidia_drm'];
  if (device.driver !== 'nvidia' || device.spec.physicalFunction !== undefined) return;
  if (drm?.parameters['modeset'] === 'Y') device.drmClient = true;
}

function tellsDrm({ modules }: MachineSpec): boolean {
  const version = modules.find(({ name }) => name === 'nvidia')?.version ?? '';
  return parseInt(version, 10) >= 595;
}

/** How the daemon is called, as far as the kernel keeps it. */
const DAEMON = 'nvidia-persiste';

/** Whether a process is nvidia-persistenced. */
export function isDaemon({ name }: { readonly name: string }): boolean {
  return name.startsWith(DAEMON);
}
