import { advice } from '../../hint.ts';
import type { DeviceUse } from '../../pci/use.ts';
import { describeHolders } from '../describe-holders.ts';
import type { OpenFiles } from '../../host/host.ts';
import type { DeviceNode } from './holders.ts';
import type { CarriedConnections } from './network.ts';
import { listed, plainOrQuoted } from './words.ts';

/*
 * What a look that was not finished leaves open. Not known is not free.
 */

/** Each device with nodes may be held by a process that was not looked at to its end. */
export function unseenHolders(nodes: readonly DeviceNode[], { unseen }: OpenFiles): DeviceUse[] {
  if (unseen.length === 0) return [];
  return [...new Set(nodes.map(({ device }) => device))].map((device): DeviceUse => {
    const own = nodes.filter((node) => node.device === device);
    const paths = own.map(({ path }) => path);
    const waits = own.some((node) => node.waits === true);
    return {
      device,
      reason: 'held',
      detail: `who has ${listed(paths.map(plainOrQuoted), '', 3)} open is not known: ${why(unseen)}`,
      hints,
      ...(waits && { offered: false }),
    };
  });
}

/** Each connection whose owner was not found may be a session of a server of ssh that was not looked at to its end. */
export function unseenSessions(
  connections: readonly CarriedConnections[],
  { holders, unseen }: OpenFiles,
): DeviceUse[] {
  if (unseen.length === 0) return [];
  const known = new Set(holders.map(({ path }) => path));
  const unknown = new Map<string, DeviceUse>();
  for (const { device, through, sockets } of connections) {
    if (sockets.every((socket) => known.has(socket))) continue;
    const detail = `whether a session of ssh leads through ${through} is not known: ${why(unseen)}`;
    unknown.set(`${device} ${detail}`, { device, reason: 'ssh', detail, hints });
  }
  return [...unknown.values()];
}

function why(unseen: OpenFiles['unseen']): string {
  return `the open files of ${describeHolders(unseen)} could not all be looked at in time`;
}

const hints = [advice('end what has that many files open, or try again when the host is less busy')];
