import type { ClaimOwner } from '../claim/claim.ts';

/** How a listing begins that is about an owner's devices: `guest win11`, `detached by hand`, `run crosvm`. */
export function ownerHeading(owner: ClaimOwner): string {
  switch (owner.kind) {
    case 'guest':
      return `guest ${owner.name}`;
    case 'manual':
      return 'detached by hand';
    case 'run':
      return `run ${owner.command}`;
  }
}

/** How a plan begins that is made for an owner. */
export function planHeading(owner: ClaimOwner): string {
  return owner.kind === 'manual' ? 'detach' : ownerHeading(owner);
}
