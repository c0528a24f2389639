import { advice } from '../../hint.ts';
import type { DeviceUse } from '../../pci/use.ts';
import { describeHolders } from '../describe-holders.ts';
import type { OpenFiles } from '../../host/host.ts';
import type { DeviceNode } from './holders.ts';
import type { CarriedConnection } from './network.ts';
import { listed, plainOrQuoted } from './words.ts';

/**
 * What a look that was not finished leaves open: each device with nodes may be held by a process that was not looked
 * at to its end, and each connection whose owner was not found may be a session of ssh. Not known is not free.
 */
export function unseenUses(
  nodes: readonly DeviceNode[],
  connections: readonly CarriedConnection[],
  { holders, unseen }: OpenFiles,
): DeviceUse[] {
  if (unseen.length === 0) return [];
  const why = `the open files of ${describeHolders(unseen)} could not all be looked at in time`;
  const hints = [advice('end what has that many files open, or try again when the host is less busy')];
  const held = [...new Set(nodes.map(({ device }) => device))].map((device): DeviceUse => {
    const own = nodes.filter((node) => node.device === device);
    const paths = own.map(({ path }) => path);
    const detail = `who has ${listed(paths.map(plainOrQuoted), '', 3)} open is not known: ${why}`;
    const waits = own.some((node) => node.waits === true);
    return { device, reason: 'held', detail, hints, ...(waits && { offered: false }) };
  });
  const ssh = connections
    .filter(({ socket }) => !holders.some(({ path }) => path === socket))
    .map(({ device, through }): DeviceUse => ({
      device,
      reason: 'ssh',
      detail: `whether a session of ssh leads through ${through} is not known: ${why}`,
      hints,
    }));
  return [...held, ...new Map(ssh.map((use) => [`${use.device} ${use.detail}`, use])).values()];
}
