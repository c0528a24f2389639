import { errnoOf } from '../errors.ts';
import { hexAttribute } from '../observe/hex-attribute.ts';
import type { Host } from '../host/host.ts';
import type { PciAddress } from '../pci/address.ts';
import { places } from './places.ts';

/*
 * What several checks look at in the same way.
 */

/** The names of the programs that run: their first 15 characters, which is what /proc shows. */
export function runningPrograms(host: Host): ReadonlySet<string> {
  const processes = (host.list(places.processes) ?? []).filter((entry) => /^\d+$/.test(entry));
  return new Set(
    processes.flatMap((entry) => host.read(places.process(Number(entry), 'comm'))?.trim() ?? []),
  );
}

/** An attribute of a device, without 0x in front; empty where it is not there or cannot be read. */
export function attributeOf(host: Host, address: PciAddress, name: string): string {
  try {
    return hexAttribute(host, address, name) ?? '';
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return '';
  }
}
