import type { Claim } from '../claim/claim.ts';
import { ownerPhrase } from '../claim/owner.ts';
import { VfioHookError } from '../errors.ts';
import { advice, command } from '../hint.ts';
import type { Host } from '../host/host.ts';
import { openMdev, readMdev } from '../observe/mdev.ts';
import { sysfs } from '../pci/sysfs.ts';

/*
 * Mediated devices by their UUID, for a reattach. Those of one detach go together: its claim has nothing else, so that a
 * way back that was cut short is finished by `recover` without taking more than was asked for.
 */

/** The detach that has made a mediated device. */
export function claimOfMdev(claims: readonly Claim[], uuid: string): Claim | undefined {
  return claims.find((claim) => claim.owner.kind === 'manual' && holdsMdev(claim, uuid));
}

/** Why a mediated device cannot be taken away by a reattach; undefined: it can. */
export function refusalOfMdev(host: Host, uuid: string, claims: readonly Claim[]): VfioHookError | undefined {
  const cannot = `cannot take mediated device ${uuid} away`;
  const holder = claims.find((claim) => claim.owner.kind !== 'manual' && holdsMdev(claim, uuid));
  if (holder)
    return new VfioHookError('VH_BUSY', `${cannot}: ${ownerPhrase(holder.owner)} holds it`, {
      hints: [
        advice('shut it down first; if it is not running, vfio-hook recover takes away what it had made'),
      ],
    });
  const claim = claimOfMdev(claims, uuid);
  for (const each of claim ? mdevsOf(claim) : []) {
    const open = openMdev(host, each);
    if (open !== undefined)
      return new VfioHookError('VH_BUSY', `${cannot}: ${each === uuid ? 'it' : each} is open in ${open}`, {
        hints: [advice('end that guest or program first')],
      });
  }
  if (claim) return undefined;
  return readMdev(host, uuid)
    ? new VfioHookError('VH_REFUSED', `${cannot}: no vfio-hook detach has made it`, {
        hints: [
          command(`echo 1 > ${sysfs.mdev(uuid)}/remove`),
          advice('that takes it away, if nobody uses it'),
        ],
      })
    : new VfioHookError('VH_NO_DEVICE', `there is no mediated device ${uuid}`, {
        hints: [command('vfio-hook mdev')],
      });
}

/** The mediated devices that a claim has. */
export function mdevsOf({ holds }: Claim): readonly string[] {
  return holds.flatMap(({ kind, key }) => (kind === 'mdev' ? [key] : []));
}

function holdsMdev(claim: Claim, uuid: string): boolean {
  return mdevsOf(claim).includes(uuid);
}
