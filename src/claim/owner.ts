import { quoteName } from '../text.ts';
import type { ClaimOwner, GuestOwner } from './claim.ts';

/** Stands for the UUID that a guest has not been given yet. libvirt takes it for no guest (src/util/viruuid.c:virUUIDIsValid). */
const NO_UUID = '00000000-0000-0000-0000-000000000000';

/**
 * A guest as an owner, also one that libvirt does not know yet and whose XML has no UUID: then for a plan only, since
 * it has no claim and no configuration named after its UUID.
 */
export function guestOwner({ name, uuid }: { readonly name: string; readonly uuid?: string }): GuestOwner {
  return { kind: 'guest', name, uuid: uuid ?? NO_UUID };
}

/** The guest again, without the UUID that it was lent by {@link guestOwner}. */
export function guestOf({ name, uuid }: GuestOwner): { readonly name: string; readonly uuid?: string } {
  return uuid === NO_UUID ? { name } : { name, uuid };
}

/**
 * The name of an owner's claim, which is that of its file without `.json`. A guest's is its UUID; the others
 * begin with a word, so that no guest can have such a name.
 */
export function claimKey(owner: ClaimOwner): string {
  return owner.kind === 'guest' ? owner.uuid : `${owner.kind}-${owner.uuid}`;
}

/** Whether a claim's key is a guest's, which comes back with each of its starts. That of a detach or a run never does. */
export function isGuestKey(key: string): boolean {
  return !/^(?:manual|run)-/.test(key);
}

/** An owner in a sentence: `guest "win11"`, `vfio-hook detach`, `vfio-hook run "crosvm"`. Safe to print. */
export function ownerPhrase(owner: ClaimOwner): string {
  switch (owner.kind) {
    case 'guest':
      return `guest ${quoteName(owner.name)}`;
    case 'manual':
      return 'vfio-hook detach';
    case 'run':
      return `vfio-hook run ${quoteName(owner.command)}`;
  }
}

/** The field of a log line that names the owner: a guest by its name, which nobody else has. */
export function logOwner(owner: ClaimOwner): { readonly guest?: string; readonly owner?: string } {
  switch (owner.kind) {
    case 'guest':
      return { guest: owner.name };
    case 'manual':
      return { owner: 'detach' };
    case 'run':
      return { owner: 'run' };
  }
}
