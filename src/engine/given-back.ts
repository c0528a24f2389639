import { join } from 'node:path';
import { errnoOf, VfioHookError } from '../errors.ts';
import type { PciAddress } from '../pci/address.ts';
import type { PciDevice } from '../pci/device.ts';
import { makePrivateDirectory, removeFile, replaceFile } from './durable.ts';
import type { Engine } from './engine.ts';
import { readTrustedFile } from './trusted-file.ts';

/*
 * Devices that a detach had and that are away from the host again, since that is where they were before: without
 * a note, a second reattach would take them for devices that somebody else has taken away, and give them to the
 * host. A note is a file in `<stateDirectory>/given-back`, of this boot and about the driver that the device has.
 */

type Place = Pick<Engine, 'stateDirectory' | 'trustedUid' | 'bootId' | 'log'>;

/** Notes that a device is where it was before its detach, on this driver or on none. Without room for the note nothing is lost but it. */
export function noteGivenBack(place: Place, address: PciAddress, driver: string | undefined): void {
  attempt(place, () => {
    makePrivateDirectory(place.stateDirectory, place.trustedUid);
    makePrivateDirectory(directoryOf(place), place.trustedUid);
    replaceFile(join(directoryOf(place), address), textOf(place, driver));
  });
}

/** Forgets it: the device is with the host now. */
export function forgetGivenBack(place: Place, address: PciAddress): void {
  attempt(place, () => {
    removeFile(join(directoryOf(place), address));
  });
}

/** Whether the device has been given back to where it is now. */
export function wasGivenBack(
  place: Place,
  { address, driver }: Pick<PciDevice, 'address' | 'driver'>,
): boolean {
  const { trustedUid } = place;
  const tree = { root: directoryOf(place), trustedUid, code: 'VH_CLAIM', what: 'note' } as const;
  let text: string | undefined;
  attempt(place, () => {
    text = readTrustedFile(tree, address);
  });
  return text === textOf(place, driver);
}

function directoryOf({ stateDirectory }: Place): string {
  return join(stateDirectory, 'given-back');
}

function textOf({ bootId }: Place, driver: string | undefined): string {
  return `${JSON.stringify({ bootId, driver: driver ?? null })}\n`;
}

function attempt({ log }: Place, action: () => void): void {
  try {
    action();
  } catch (error) {
    if (!(error instanceof VfioHookError) && errnoOf(error) === undefined) throw error;
    log.write({ severity: 'warning', message: `${(error as Error).message}, continuing`, owner: 'detach' });
  }
}
