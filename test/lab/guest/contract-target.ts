import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';

import type { Answer, ContractTarget, NodeKind, Operation, Role } from '../../contract/contract.ts';
import { ended, kept } from '../../contract/links.ts';
import { linuxHost } from '../../../src/host/linux/host.ts';
import { execute } from './execute.ts';
import type { KernelCaller } from './kernel-caller.ts';
import { attribute, linkName } from './sysfs.ts';
import { devices } from './topology.ts';
import { waitFor } from './wait.ts';

export const contractAddresses: Readonly<Record<Role, string>> = {
  gpu: devices.consoleGpu,
  gpuAudio: devices.consoleAudio,
  igb: devices.igb,
  vf0: '0000:02:10.0',
  vf1: '0000:02:10.2',
  nvme: devices.nvme,
  bridge: devices.bridge,
  bridgeNic: devices.bridgeNic,
  bridgeAudio: devices.bridgeSound,
  nic: devices.nic,
  rebar: devices.gpu,
  rebarSibling: devices.gpuAudio,
  rootPort: '0000:00:04.0',
};

/**
 * Milliseconds after which a call counts as blocked. igb sleeps a second whenever virtual functions come or go
 * (kernel drivers/pci/iov.c:sriov_disable), and everything is slow here.
 */
const patience = { igb: 8000, others: 3000 };

/** The contract's view of this machine's own kernel. */
export function realTarget(caller: KernelCaller, addresses = contractAddresses): ContractTarget {
  return {
    addresses,
    perform: async (operation) => perform(caller, addresses, operation),
    text: (path) => undefinedWhenAbsent(() => readFileSync(path, 'latin1')),
    link: (path) => undefinedWhenAbsent(() => readlinkSync(path)),
    list: (path) => undefinedWhenAbsent(() => readdirSync(path)) ?? [],
    exists: (path) => existsSync(path),
    bytes: (path, length) => undefinedWhenAbsent(() => readFileSync(path).subarray(0, length)),
    until,
  };
}

/** What has not come by then is what the row finds wrong. */
async function until(condition: () => boolean): Promise<void> {
  try {
    await waitFor('the kernel', 5, () => condition() || undefined);
  } catch {
    return;
  }
}

async function perform(
  caller: KernelCaller,
  addresses: Readonly<Record<Role, string>>,
  operation: Operation,
): Promise<Answer> {
  if ('write' in operation) {
    const slow = `${operation.write} ${operation.data}`.includes(contractAddresses.igb);
    const create = operation.create === true ? ['create'] : [];
    const time = slow ? patience.igb : patience.others;
    return caller.call(time, 'write', operation.write, hex(operation.data), ...create);
  }
  if ('read' in operation) return caller.call(patience.others, 'read', operation.read);
  if ('load' in operation)
    return (await execute('modprobe', [operation.load])).status === 0 ? 'ok' : 'failed';
  if ('unload' in operation) return caller.call(patience.others, 'delete-module', operation.unload);
  if ('openGroup' in operation) {
    const members = operation.openGroup.map((role) => addresses[role]);
    const group = linkName(attribute(members[0] ?? '', 'iommu_group')) ?? '';
    return caller.hold(operation.guest, 'open-group', `/dev/vfio/${group}`, ...members);
  }
  if ('openMdev' in operation) {
    const group = linkName(`/sys/bus/mdev/devices/${operation.openMdev}/iommu_group`) ?? '';
    return caller.hold(operation.guest, 'open-group', `/dev/vfio/${group}`, operation.openMdev);
  }
  if ('closeGroup' in operation) return letGo(caller, operation.closeGroup);
  if ('holdNode' in operation)
    return caller.hold(operation.holdNode, 'hold', nodeOf(operation.holdNode, operation.node));
  if ('releaseNode' in operation) return letGo(caller, operation.releaseNode);
  if ('keepOpen' in operation) return caller.hold(operation.as, 'keep-open', operation.keepOpen);
  if ('writeOpen' in operation) return caller.writeHeld(operation.writeOpen, hex(operation.data));
  if ('mapPages' in operation)
    return caller.hold(operation.as, 'map-pages', String(operation.mapPages), String(operation.touched));
  if ('unmapPages' in operation) return letGo(caller, operation.unmapPages);
  if ('ip' in operation) return ended(await linuxHost.run('ip', operation.ip.split(' '), patience.igb));
  if ('vf' in operation) return kept(linuxHost, contractAddresses[operation.of], operation);
  if ('tryOpen' in operation) return caller.call(patience.others, 'try-open', operation.tryOpen);
  caller.killBlocked();
  return 'ok';
}

async function letGo(caller: KernelCaller, name: string): Promise<Answer> {
  await caller.letGo(name);
  return 'ok';
}

/** The first node of a device, or of a kind: of a sound card the control node, of a graphics card its own one. */
function nodeOf(role: Role, kind: NodeKind = role === 'gpu' ? 'card' : 'control'): string {
  const [directory, node] = nodePlaces[kind];
  const below = (path: string): readonly string[] => readdirSync(attribute(contractAddresses[role], path));
  const parent =
    directory === 'sound'
      ? `sound/${below(directory).find((name) => name.startsWith('card')) ?? ''}`
      : directory;
  const name = below(parent).find((each) => each.startsWith(kind) && !each.includes('-'));
  return `/dev/${node}${name ?? 'none'}`;
}

/** Where the nodes of a kind are listed below a device, and where in /dev they are. */
const nodePlaces: Readonly<Record<NodeKind, readonly [directory: string, node: string]>> = {
  card: ['drm', 'dri/'],
  fb: ['graphics', ''],
  control: ['sound', 'snd/'],
  pcm: ['sound', 'snd/'],
  hw: ['sound', 'snd/'],
};

function hex(text: string): string {
  return Buffer.from(text, 'latin1').toString('hex');
}

/** Undefined for whatever keeps a file from being read: absent, or of a device that is gone. */
function undefinedWhenAbsent<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
