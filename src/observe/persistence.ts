import { VfioHookError } from '../errors.ts';
import { command } from '../hint.ts';
import type { Host } from '../host/host.ts';
import type { PciAddress } from '../pci/address.ts';

/** Arguments with which nvidia-smi(1) says whether one card is kept set up, and nothing else. */
export function persistenceQuery(address: PciAddress): readonly string[] {
  return [`--id=${address}`, '--query-gpu=persistence_mode', '--format=csv,noheader'];
}

/**
 * Persistence mode of one card; undefined where nvidia-smi does not say, as for one that it does not know (status 6), or
 * without a driver that it can talk to (9). Throws VH_STUCK when it does not end in time: then the driver does not answer.
 */
export async function readPersistenceMode(
  host: Host,
  address: PciAddress,
  deadlineMs: number,
): Promise<boolean | undefined> {
  const result = await host.run('nvidia-smi', persistenceQuery(address), deadlineMs);
  if (result.kind === 'stuck')
    throw new VfioHookError(
      'VH_STUCK',
      `nvidia-smi does not say whether ${address} is kept set up: the driver nvidia does not answer`,
      { device: address, hints: [command('journalctl -k -b -g NVRM')] },
    );
  if (result.status !== 0) return undefined;
  const word = result.stdout.trim();
  if (word === 'Enabled') return true;
  return word === 'Disabled' ? false : undefined;
}
