import { count, plural } from '../../count.ts';
import { advice, command, type Hint } from '../../hint.ts';
import { sysfs } from '../../pci/sysfs.ts';
import type { DeviceUse } from '../../pci/use.ts';
import type { Host } from '../../host/host.ts';
import type { Claimed, Mounted, Swap } from './follow.ts';
import { layerOf } from './stack.ts';
import { isPlain, listed, plainOrQuoted } from './words.ts';

/** A use in words, before it is said of which device. */
export type Sentence = Omit<DeviceUse, 'device'>;

/** The shortest way to one file system or swap space, and every disk or partition that it begins at. */
export interface Way<Use extends Mounted | Swap> {
  readonly bases: readonly string[];
  readonly finding: Use;
}

/** `nvme0n1p3 is mounted at /home through dm-0 (LUKS cryptroot) and dm-1 (LVM vg0-home)`; or what the host runs from. */
export function mountedUse(host: Host, { bases, finding }: Way<Mounted>): Sentence {
  const { mountPoints, systemPlaces, chain, type, members, pool } = finding;
  const at = listed(mountPoints.map(plainOrQuoted), 'places');
  const through = throughText([
    ...chain.map((name) => layerOf(host, name).words),
    ...(pool === undefined ? [] : [`the ZFS pool ${plainOrQuoted(pool)}`]),
  ]);
  const share =
    members === undefined
      ? ''
      : `, as part of a ${plainOrQuoted(type)} file system on ${count(members, 'device')}`;
  if (systemPlaces.length > 0) {
    const mounted = mountPoints.some((point) => systemPlaces.includes(point)) ? '' : `, mounted at ${at}`;
    return rootUse(
      'runs',
      `${placesText(systemPlaces)} on ${listed(bases, 'devices')}${through}${share}${mounted}`,
    );
  }
  const last = chain.at(-1) ?? bases[0] ?? '';
  return {
    reason: 'mounted',
    detail: `${subject(bases)} mounted at ${at}${through}${share}`,
    hints: [
      ...(pool !== undefined ? exportPool(pool) : [umount(mountPoints, last)]),
      ...closeCommands(host, chain),
    ],
  };
}

/** The one sentence on the disk of the host. Nothing can be done about it: there are no commands. */
function rootUse(runs: 'runs' | 'may run', detail: string): Sentence {
  return {
    reason: 'root-disk',
    detail: `the host ${runs} from it: ${detail}`,
    hints: [advice('give the guest another disk')],
  };
}

function placesText(places: readonly string[]): string {
  return `${listed(places.map(plainOrQuoted), 'places')} ${plural(places.length, 'is', 'are')}`;
}

/** `nvme0n1p2 is swap space of the host`. */
export function swapUse(host: Host, { bases, finding }: Way<Swap>): Sentence {
  const through = finding.chain.map((name) => layerOf(host, name).words);
  return {
    reason: 'swap',
    detail: `${subject(bases)} swap space of the host${throughText(through)}`,
    hints: [command(`swapoff ${sysfs.node(finding.key)}`), ...closeCommands(host, finding.chain)],
  };
}

/** `nvme0n1p3 carries dm-0 (LUKS cryptroot), which is active, with nothing mounted from it`. */
export function claimedUse(host: Host, base: string, finding: Claimed): Sentence {
  const { layers, answer, pool, systemPlaces } = finding;
  if (systemPlaces.length > 0) {
    const state = answer === 'busy' ? `something has ${base} for itself alone` : `${base} cannot be opened`;
    return rootUse('may run', `${placesText(systemPlaces)} on a ZFS pool, and ${state}`);
  }
  const node = sysfs.node(base);
  const owner = pool === undefined ? undefined : `the ZFS pool ${plainOrQuoted(pool)}`;
  const look = advice(`see what has it: lsblk -f ${node}, then zpool status, fuser -v ${node}`);
  const letGo = pool === undefined ? [] : exportPool(pool);
  if (layers.length === 0) {
    const detail = {
      busy: `${base} is in use by ${owner ?? 'something that has opened it for itself alone'}`,
      denied: `${base} cannot be opened, so it may be in use`,
      free: `${base} is in use`,
    }[answer];
    return { reason: 'disk-in-use', detail, hints: letGo.length > 0 ? letGo : [look] };
  }
  const words = listed(
    layers.map((name) => layerOf(host, name).words),
    'devices',
  );
  const [which, them] = layers.length === 1 ? ['is', 'it'] : ['are', 'them'];
  const state = {
    busy: `${which} in use by ${owner ?? 'something that has no mount here'}`,
    denied: `${which} active and may be in use`,
    free: `${which} active, with nothing mounted from ${them}`,
  }[answer];
  return {
    reason: 'disk-in-use',
    detail: `${base} carries ${words}, which ${state}`,
    hints: [...(answer !== 'free' && letGo.length === 0 ? [look] : letGo), ...closeCommands(host, layers)],
  };
}

function subject(bases: readonly string[]): string {
  return `${listed(bases, 'devices')} ${plural(bases.length, 'is', 'are')}`;
}

function throughText(layers: readonly string[]): string {
  return layers.length === 0 ? '' : ` through ${listed(layers, 'devices')}`;
}

/** A mount point that cannot be typed as it is shown is named by its device. */
function umount(mountPoints: readonly string[], device: string): Hint {
  return command(
    mountPoints.every(isPlain)
      ? `umount ${mountPoints.join(' ')}`
      : `umount --all-targets ${sysfs.node(device)}`,
  );
}

function exportPool(pool: string): Hint[] {
  return isPlain(pool) ? [command(`zpool export ${pool}`)] : [];
}

/** What takes the devices above a disk apart, the uppermost first. */
function closeCommands(host: Host, chain: readonly string[]): Hint[] {
  const commands = [...chain].reverse().flatMap((name) => layerOf(host, name).close ?? []);
  return [...new Set(commands)].map(command);
}
