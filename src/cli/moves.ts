import type { Hold } from '../claim/hold.ts';
import { formatBarSize } from '../pci/bar.ts';
import type { PciAddress } from '../pci/address.ts';
import { deviceAt, type Snapshot } from '../pci/snapshot.ts';
import { boundDriver } from '../observe/bound-driver.ts';
import type { Host } from '../host/host.ts';
import type { Step } from '../steps/step.ts';

/** Where a device was and where it is now. */
export interface Move {
  readonly address: PciAddress;
  /** Name of the driver; null for none. */
  readonly from: string | null;
  readonly to: string | null;
  /** BARs that have another size now; bytes. */
  readonly bars: readonly { readonly bar: number; readonly size: number }[];
}

/** What has become of devices: their drivers are read back from the kernel. */
export function movesOf(
  host: Host,
  before: Snapshot,
  addresses: readonly PciAddress[],
  steps: readonly Step[],
): Move[] {
  return addresses.map((address) => ({
    address,
    from: deviceAt(before, address)?.driver ?? null,
    to: boundDriver(host, address) ?? null,
    bars: steps.flatMap((step) =>
      step.kind === 'resize-bar' && step.device === address ? [{ bar: step.bar, size: step.to }] : [],
    ),
  }));
}

/** `0000:03:00.0: amdgpu → vfio-pci, BAR 2 8 MiB`. */
export function moveLine({ address, from, to, bars }: Move): string {
  const sizes = bars.map(({ bar, size }) => `, BAR ${bar} ${formatBarSize(size)}`).join('');
  const where =
    from === to ? `stays on ${to ?? 'no driver'}` : `${from ?? 'no driver'} → ${to ?? 'no driver'}`;
  return `${address}: ${where}${sizes}`;
}

/** A mediated device that a run has made or removed: the ids of its type before and after. */
export interface MdevMove {
  readonly mdev: string;
  readonly parent: string;
  /** null: it was not there. */
  readonly from: string | null;
  /** null: it is not there any more. */
  readonly to: string | null;
}

/** What has become of a hold that is a mediated device; none for every other one. */
export function mdevMoves({ kind, key, wish }: Hold, way: 'made' | 'removed'): MdevMove[] {
  if (kind !== 'mdev') return [];
  const { parent, type } = wish;
  return [{ mdev: key, parent, ...(way === 'made' ? { from: null, to: type } : { from: type, to: null }) }];
}

/** `mediated device UUID: i915-GVTg_V5_4 on 0000:00:02.0 → not there`. */
export function mdevMoveLine({ mdev, parent, from, to }: MdevMove): string {
  const words = (type: string | null): string => (type === null ? 'not there' : `${type} on ${parent}`);
  return `mediated device ${mdev}: ${words(from)} → ${words(to)}`;
}
