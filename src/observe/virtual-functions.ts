import type { Host } from '../host/host.ts';
import { parsePciAddress, type PciAddress } from '../pci/address.ts';
import { promisedAddresses } from '../pci/routing.ts';
import { sysfs } from '../pci/sysfs.ts';
import { boundDriver } from './bound-driver.ts';
import { describeHolders } from './describe-holders.ts';
import { groupOf } from './read-device.ts';

/** Where a card has its virtual functions, as routing ids (SR-IOV capability); undefined for one that makes none. */
export function routingOf(
  host: Host,
  physical: PciAddress,
):
  | {
      readonly offset: number;
      readonly stride: number;
      readonly total: number;
      /** NVIDIA's driver has no callback for their number (kernel-open/nvidia/nv-pci.c): sriov-manage makes all of them. */
      readonly byProgram?: true;
    }
  | undefined {
  const [offset, stride, total] = ['sriov_offset', 'sriov_stride', 'sriov_totalvfs'].map((name) =>
    host.read(sysfs.attribute(physical, name)),
  );
  if (offset === undefined || stride === undefined) return undefined;
  return {
    offset: Number(offset),
    stride: Number(stride),
    total: Number(total ?? 0),
    ...(boundDriver(host, physical) === 'nvidia' && { byProgram: true }),
  };
}

/**
 * The virtual functions that a card has now, in their order: those that it has links to, then those that are there without
 * one. A link goes before its function does, which a guest may keep for long (drivers/pci/iov.c:pci_iov_remove_virtfn).
 */
export function virtualFunctions(host: Host, physical: PciAddress): readonly PciAddress[] {
  const linked = linkedFunctions(host, physical);
  const routing = routingOf(host, physical);
  const total = Number(host.read(sysfs.attribute(physical, 'sriov_totalvfs')) ?? 0);
  const promised = routing ? promisedAddresses(physical, Math.min(total, MOST_LOOKED_AT), routing) : [];
  const unlinked = promised.filter(
    (address) =>
      !linked.includes(address) &&
      host.readLink(sysfs.attribute(address, 'physfn'))?.split('/').pop() === physical,
  );
  return [...linked, ...unlinked];
}

/** As many functions as any card has on its own bus. */
const MOST_LOOKED_AT = 256;

/** Address of the function with this number, as its card has it. */
export function virtualFunctionAt(host: Host, physical: PciAddress, vf: number): PciAddress | undefined {
  const target = host.readLink(sysfs.attribute(physical, `virtfn${vf}`));
  return parsePciAddress(target?.split('/').pop() ?? '');
}

function linkedFunctions(host: Host, physical: PciAddress): readonly PciAddress[] {
  return (host.list(sysfs.device(physical)) ?? [])
    .flatMap((name) => /^virtfn(\d+)$/.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b)
    .flatMap(
      (index) =>
        parsePciAddress(
          host
            .readLink(sysfs.attribute(physical, `virtfn${index}`))
            ?.split('/')
            .pop() ?? '',
        ) ?? [],
    );
}

/**
 * Who has a virtual function of a card open, as far as it can be seen: `0000:02:10.0 is open in guest "a" (pid 1234)`.
 * Undefined when nobody has.
 */
export function openFunction(host: Host, physical: PciAddress): string | undefined {
  for (const address of virtualFunctions(host, physical)) {
    const open = openBy(host, address);
    if (open !== undefined) return open;
  }
  return undefined;
}

/** The same of one of them. */
export function openBy(host: Host, address: PciAddress): string | undefined {
  const group = groupOf(host, address);
  const node = group === undefined ? undefined : sysfs.vfioGroup(group);
  if (node === undefined || host.tryOpen(node) !== 'busy') return undefined;
  return `${address} is open in ${describeHolders(host.holders([node]))}`;
}
