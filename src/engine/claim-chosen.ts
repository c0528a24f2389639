import { claims as isClaimedBy } from '../claim/claim.ts';
import { claimKey, guestOwner } from '../claim/owner.ts';
import { pciHostdevs, type Domain, type PciHostdev } from '../domain/domain.ts';
import type { Engine } from './engine.ts';
import { prepare } from './prepare.ts';

/**
 * The guest with what libvirt may have chosen for it as such: functions of a network's pool (`<forward mode='hostdev'>`). It
 * chooses after prepare (src/qemu/qemu_process.c:qemuProcessPrepareDomainNetwork), so at start they are seen first: as an
 * `<interface type='hostdev'>`, or with `<actual type='hostdev'>` in the forms that say what was asked for. Undefined for
 * a guest without any.
 */
export function withChosen(domain: Domain, isKnown: (hostdev: PciHostdev) => boolean): Domain | undefined {
  const chosen = pciHostdevs(domain).filter(
    (hostdev) => (hostdev.kind === 'interface' || hostdev.kind === 'network') && !isKnown(hostdev),
  );
  if (chosen.length === 0) return undefined;
  const hostdevs = domain.hostdevs.map((hostdev) =>
    hostdev.kind !== 'mdev' && chosen.includes(hostdev) ? { ...hostdev, kind: 'network' as const } : hostdev,
  );
  return { ...domain, hostdevs };
}

/**
 * Claims what libvirt has chosen since prepare, beside what the guest has: as a device like any other, so that nobody else
 * gets it, its card keeps its functions, and what shares its IOMMU group is moved. libvirt itself has taken it from its
 * driver by then, and gives it back. Throws as prepare does; what prepare did stays in the claim, for the release with which
 * libvirt ends a start that is refused.
 */
export async function claimChosen(engine: Engine, domain: Domain): Promise<void> {
  const [own] = engine.store.one(claimKey(guestOwner(domain))).claims;
  const guest = withChosen(domain, ({ address }) => own !== undefined && isClaimedBy(own, address));
  if (guest) await prepare(engine, guest, 'keep');
}
