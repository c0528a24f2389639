import type { Host } from '../host/host.ts';
import { parsePciAddress, type PciAddress } from '../pci/address.ts';
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

/** The virtual functions that a card has now, in their order. */
export function virtualFunctions(host: Host, physical: PciAddress): readonly PciAddress[] {
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
    const group = groupOf(host, address);
    const node = group === undefined ? undefined : sysfs.vfioGroup(group);
    if (node === undefined || host.tryOpen(node) !== 'busy') continue;
    return `${address} is open in ${describeHolders(host.holders([node]))}`;
  }
  return undefined;
}
