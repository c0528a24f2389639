import { isDisplay } from './class.ts';
import type { PciDevice } from './device.ts';

/** Kernel module of its own, not part of Linux, that knows how to reset some Radeon cards: https://github.com/gnif/vendor-reset */
export const VENDOR_RESET = 'vendor_reset';

/**
 * Radeon cards whose reset by the bus does not bring them back, so that the second start of a guest fails, by their
 * device ids (drivers/gpu/drm/amd/amdgpu/amdgpu_drv.c): those that the module is for.
 */
const FAMILIES: readonly (readonly [family: string, ids: RegExp])[] = [
  ['Polaris 10', /^(?:67[cd][0-9a-f]|6fdf)$/],
  ['Polaris 11', /^67[ef][0-9a-f]$/],
  ['Polaris 12', /^69[89][0-9a-f]$/],
  ['Vega 10', /^68(?:6[0-9a-f]|7f)$/],
  ['Vega 20', /^66a[0-9a-f]$/],
  ['Navi 10', /^731[0-9a-f]$/],
  ['Navi 12', /^736[0-2]$/],
  ['Navi 14', /^734[0-9a-f]$/],
];

/** The family of a card that needs the module; undefined for every other device. */
export function familyOfVendorReset({
  vendor,
  device,
  class: code,
}: Pick<PciDevice, 'vendor' | 'device' | 'class'>): string | undefined {
  if (vendor !== '1002' || !isDisplay(code)) return undefined;
  return FAMILIES.find(([, ids]) => ids.test(device))?.[0];
}
