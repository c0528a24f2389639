import type { PciAddress } from '../../pci/address.ts';
import { isBridgeClass, isSystemClass } from '../../pci/class.ts';
import type { PciDevice } from '../../pci/device.ts';
import { isStub } from '../../pci/stub.ts';
import { useReasons, type DeviceUse } from '../../pci/use.ts';
import type { Host } from '../../host/host.ts';
import { graphicsUses } from './graphics.ts';
import { diskUses } from './disks.ts';
import { perhapsOpen } from './closed-nodes.ts';
import { deviceNodes, heldUses } from './holders.ts';
import { kernelClientUses } from './kernel-clients.ts';
import { keyboardUses } from './keyboards.ts';
import { isSshServer, networkFindings, sshUses } from './network.ts';
import { unseenHolders, unseenSessions } from './unseen.ts';

/*
 * Classes behind which there is never such a thing, so that a graphics card with its sound costs no look at it:
 * storage (01), network (02), display (03), multimedia (04). A USB controller may have any of them behind it.
 */
const NO_DISKS = /^0[234]/;
const NO_KEYBOARDS = /^0[1234]/;
const NO_NETWORK = /^0[134]/;

/**
 * What the host needs these devices for, of those that could be taken from it: no bridge, no part of the board,
 * none that is on a vfio driver or a stub already. Without a driver a device can still be what the screen shows.
 * Processes are looked at only when a device has nodes that may be open, or carries connections; for the latter only
 * servers of ssh.
 * `directories` is what is in those of the devices, as far as it was read already.
 * Throws VH_STUCK when the kernel does not answer within the deadline.
 */
export async function readUses(
  host: Host,
  devices: readonly PciDevice[],
  deadlineMs: number,
  directories?: ReadonlyMap<PciAddress, readonly string[]>,
): Promise<DeviceUse[]> {
  const takeable = devices.filter(isTakeable);
  const bound = takeable.filter(({ driver }) => driver !== undefined);
  const withDisks = addressesOf(bound, NO_DISKS);
  const withKeyboards = addressesOf(bound, NO_KEYBOARDS);
  const network = await networkFindings(
    host,
    bound.filter((device) => !NO_NETWORK.test(device.class)),
    deadlineMs,
  );
  const nodes = await deviceNodes(host, bound, deadlineMs, directories);
  const looked = perhapsOpen(host, bound, nodes);
  const held = host.openFiles(looked.map(({ path }) => path));
  const sessions = host.openFiles(
    network.connections.flatMap(({ sockets }) => sockets),
    isSshServer,
  );
  const uses = [
    ...(withDisks.length > 0 ? await diskUses(host, withDisks, deadlineMs) : []),
    ...(withKeyboards.length > 0 ? keyboardUses(host, withKeyboards) : []),
    ...network.uses,
    ...sshUses(network.connections, sessions.holders),
    ...graphicsUses(host, takeable),
    ...heldUses({ host, nodes, holders: held.holders }),
    ...kernelClientUses(host, bound),
    ...unseenHolders(looked, held),
    ...unseenSessions(network.connections, sessions),
  ];
  return takeable.flatMap(({ address }) =>
    uses
      .filter(({ device }) => device === address)
      .sort((a, b) => useReasons.indexOf(a.reason) - useReasons.indexOf(b.reason)),
  );
}

function addressesOf(devices: readonly PciDevice[], without: RegExp): PciAddress[] {
  return devices.filter((device) => !without.test(device.class)).map(({ address }) => address);
}

function isTakeable(device: PciDevice): boolean {
  if (device.headerType !== 'endpoint' || device.onVfio || isStub(device.driver)) return false;
  // An "other" bridge (0680) may be given to a guest: NVSwitch carries that class.
  return !isSystemClass(device.class) && (!isBridgeClass(device.class) || device.class.startsWith('0680'));
}
