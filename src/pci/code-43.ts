import type { Bar } from './bar.ts';
import { isDisplay } from './class.ts';
import type { PciDevice } from './device.ts';

/** The size of BAR 2 with which the driver is reported to start, in bytes. */
export const CODE_43_SIZE = 8 * 2 ** 20;

const BAR = 2;

/** Navi 21 to 24 and Navi 31 to 33, by their ids (drivers/gpu/drm/amd/amdgpu/amdgpu_drv.c, pci.ids). */
const RDNA_2_AND_3 = /^7(?:3[a-f]|4[2-9])[0-9a-f]$/;

/**
 * Whether a device is a Radeon card of RDNA 2 or 3: owners report that the driver in Windows ends with code 43, for an
 * RX 6750 GRE (73df) as for an RX 7900, when it sees a hypervisor or a large BAR 2. Firmware with Resizable BAR on
 * makes that one 256 MiB; amdgpu never changes it.
 */
export function isRadeonOfCode43({ vendor, device, class: code }: PciDevice): boolean {
  return vendor === '1002' && RDNA_2_AND_3.test(device) && isDisplay(code);
}

/** The BAR of such a card that is larger than {@link CODE_43_SIZE} and need not be. */
export function barOfCode43(device: PciDevice): Bar | undefined {
  if (!isRadeonOfCode43(device)) return undefined;
  return device.bars.find(
    ({ index, size, sizes }) =>
      index === BAR && size > CODE_43_SIZE && sizes?.includes(CODE_43_SIZE) === true,
  );
}
