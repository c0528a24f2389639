import type { Host } from '../../src/host/host.ts';
import { VfioHookError } from '../../src/errors.ts';
import { profilePlace } from '../../src/observe/function-profile.ts';
import { readFunctionSettings } from '../../src/observe/function-settings.ts';
import { networkLink } from '../../src/observe/network-link.ts';
import type { PciAddress } from '../../src/pci/address.ts';
import type { PciDevice } from '../../src/pci/device.ts';
import { sysfs } from '../../src/pci/sysfs.ts';
import type { WrittenDevice } from '../description-schema.ts';
import type { VfSetting } from '../spec.ts';
import { sizeText } from './device.ts';

type Written = NonNullable<WrittenDevice['sriov']>;

/** How the driver of a graphics card deals out shares to functions; undefined where it deals out none. */
export function describeProfile(host: Host, { address, bars, sriov }: PciDevice): Written['profile'] {
  const place = profilePlace(host, address);
  if (!place) return undefined;
  if (place.interface === 'prelim')
    return { interface: 'prelim', ...(place.gts.length > 0 && { gts: place.gts.length }) };
  const quotas = Array.from({ length: sriov?.totalVfs ?? 0 }, (_, vf) =>
    host.read(sysfs.attribute(address, `sriov_admin/vf${vf + 1}/profile/vram_quota`)),
  ).flatMap((text) => (text === undefined ? [] : [Number(text) || 0]));
  if (quotas.length === 0) return { interface: 'xe' };
  // How much there is for functions is nowhere written: about what the card's largest BAR shows, and no less than is dealt out.
  const dealt = quotas.reduce((sum, quota) => sum + quota, 0);
  return { interface: 'xe', vram: sizeText(Math.max(dealt, ...bars.map(({ size }) => size))) };
}

/** How long ip(8) may take to tell. */
const ANSWER_MS = 5000;

/**
 * What the driver of a network card does not set for a virtual function, as far as that shows: the kernel passes on the
 * spoof check and trust only where a driver tells them (net/core/rtnetlink.c:rtnl_fill_vfinfo). Nothing where there are no
 * functions, or ip(8) does not tell: whether the rest can be set is known once somebody tries.
 */
export async function describeRefuses(
  host: Host,
  { address, sriov }: { readonly address: PciAddress; readonly sriov?: PciDevice['sriov'] },
): Promise<readonly VfSetting[]> {
  const link = networkLink(host, address);
  if (link === undefined || (sriov?.numVfs ?? 0) === 0) return [];
  try {
    const [first] = await readFunctionSettings(host, link, ANSWER_MS);
    return first ? (['spoofchk', 'trust'] as const).filter((name) => first[name] === undefined) : [];
  } catch (error) {
    if (error instanceof VfioHookError) return [];
    throw error;
  }
}
