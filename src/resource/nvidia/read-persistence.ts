import { boundDriver } from '../../observe/bound-driver.ts';
import { readPersistenceMode } from '../../observe/persistence.ts';
import { parsePciAddress } from '../../pci/address.ts';
import { NVIDIA } from '../../pci/nvidia.ts';
import type { SeenOf } from '../kind.ts';
import type { Reader } from '../readers.ts';

/** Whether cards are kept set up; those that are not on NVIDIA's driver, or do not say, are left out. Throws VH_STUCK. */
export const readPersistence: Reader<'persistence'> = async (host, keys, deadlineMs) => {
  const seen = new Map<string, SeenOf<'persistence'>>();
  for (const key of keys) {
    const address = parsePciAddress(key);
    if (!address || boundDriver(host, address) !== NVIDIA) continue;
    const on = await readPersistenceMode(host, address, deadlineMs);
    if (on !== undefined) seen.set(key, { state: { on }, facts: {} });
  }
  return seen;
};
