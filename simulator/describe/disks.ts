import type { PciAddress } from '../../src/pci/address.ts';
import { sysfs } from '../../src/pci/sysfs.ts';
import type { Host } from '../../src/host/host.ts';
import type { DiskDescription, DiskUse } from '../description-disk.ts';
import type { OpenExclusively } from '../../src/observe/uses/openings.ts';
import { disksBehind, readBlockDevices, type Disk } from '../../src/observe/uses/block.ts';
import {
  fileSystemsOfPool,
  fileSystemsOn,
  poolOf,
  readStorage,
  type Storage,
} from '../../src/observe/uses/storage.ts';
import { publicMountPoint } from './privacy.ts';

/** Volumes on volumes that are followed: a disk, md, LUKS, LVM and some more. */
const DEEPEST = 8;

/**
 * The disks behind each PCI device, with what the host uses them for: mount points by their kind, swap, volumes and
 * pools by numbers in place of their names.
 */
export function disksOf(host: Host, open: OpenExclusively): (address: PciAddress) => DiskDescription[] {
  const blocks = readBlockDevices(host);
  const uses = new DiskUses(host, readStorage(host, blocks), open);
  return (address) =>
    disksBehind(host, blocks, address)
      .filter(({ name }) => /^(?:nvme\d+n\d+|[sv]d[a-z]|mmcblk\d+)$/.test(name))
      .map((disk) => ({
        name: disk.name,
        partitions: uses.of(disk),
        ...placeOf(host, address, blocks.paths.get(disk.name) ?? ''),
      }));
}

/** The port of a USB disk, or the controller's name where several reach one namespace. */
function placeOf(host: Host, address: PciAddress, path: string): Pick<DiskDescription, 'usb' | 'multipath'> {
  const usb = /\/usb\d+\/(\d+-\d+)\//.exec(path)?.[1];
  if (usb !== undefined) return { usb };
  if (!path.includes('/nvme-subsystem/')) return {};
  const controller = host.list(sysfs.attribute(address, 'nvme'))?.find((name) => /^nvme\d+$/.test(name));
  return controller === undefined ? {} : { multipath: controller };
}

/** Numbers stand for names; what is on a volume is said once, where it is met first. */
class DiskUses {
  private readonly names = new Map<string, string>();
  private readonly said = new Set<string>();
  private readonly host: Host;
  private readonly storage: Storage;
  private readonly open: OpenExclusively;

  constructor(host: Host, storage: Storage, open: OpenExclusively) {
    this.host = host;
    this.storage = storage;
    this.open = open;
  }

  of({ name, partitions }: Disk): Record<string, DiskUse | DiskUse[]> {
    if (this.said.has(name)) return {};
    this.said.add(name);
    const own = this.usesOf(name, 0, partitions.length === 0);
    return {
      ...(own.length > 0 && { [name]: single(own) }),
      ...Object.fromEntries(partitions.map((each) => [each, single(this.usesOf(each, 0, true))])),
    };
  }

  private usesOf(name: string, depth: number, leaf: boolean): DiskUse[] {
    if (this.storage.swaps.has(name)) return ['swap'];
    const found = fileSystemsOn(this.storage, name).flatMap(
      ({ type, number, mountPoints, systemPlaces }): DiskUse[] => {
        const mount = publicMountPoint(systemPlaces[0] ?? mountPoints[0] ?? '');
        return [type === 'btrfs' ? { btrfs: this.number('btrfs', number), mount } : mount];
      },
    );
    if (found.length > 0) return found;
    const pool = poolOf(this.host, this.storage, name);
    if (pool !== undefined) {
      const datasets = fileSystemsOfPool(this.storage, pool);
      const [mounted] = [
        ...datasets.flatMap(({ systemPlaces }) => systemPlaces),
        ...datasets.flatMap(({ mountPoints }) => mountPoints),
      ];
      return [
        {
          zfs: this.number('pool', pool),
          ...(mounted !== undefined && { mount: publicMountPoint(mounted) }),
        },
      ];
    }
    const holders = depth < DEEPEST ? this.storage.blocks.holdersOf(name) : [];
    if (holders.length > 0) return holders.map((holder) => this.volume(holder, depth));
    // Something has it that is not to be seen, such as a volume group without an active volume.
    const claimed = leaf && this.open(sysfs.node(name)) === 'busy';
    return claimed ? [{ lvm: this.number('volume', `on ${name}`) }] : [];
  }

  private volume(name: string, depth: number): DiskUse {
    const word = this.kindOf(name);
    const number = this.number(word === 'md' || word === 'bcache' ? word : 'volume', name);
    const first = !this.said.has(name);
    this.said.add(name);
    const uses = first ? this.usesOf(name, depth + 1, true) : [];
    const holds = uses.length > 0 ? { holds: single(uses) } : {};
    switch (word) {
      case 'md':
        return { md: number, ...holds };
      case 'bcache':
        return { bcache: number, ...holds };
      case 'luks':
        return { luks: number, ...holds };
      case 'multipath':
        return { multipath: number, ...holds };
      case 'lvm':
        return { lvm: number, ...holds };
    }
  }

  /** Who made a mapping stands at the beginning of its uuid. */
  private kindOf(name: string): 'md' | 'bcache' | 'luks' | 'multipath' | 'lvm' {
    if (name.startsWith('md')) return 'md';
    if (name.startsWith('bcache')) return 'bcache';
    const uuid = this.host.read(sysfs.blockAttribute(name, 'dm/uuid')) ?? '';
    if (uuid.startsWith('CRYPT-')) return 'luks';
    return uuid.startsWith('mpath-') ? 'multipath' : 'lvm';
  }

  /** `md0` for the first thing of a kind, whatever it is called. */
  private number(kind: string, name: string): string {
    const key = `${kind} ${name}`;
    const known = this.names.get(key);
    if (known !== undefined) return known;
    const number = [...this.names.keys()].filter((each) => each.startsWith(`${kind} `)).length;
    this.names.set(key, `${kind}${number}`);
    return `${kind}${number}`;
  }
}

function single(uses: DiskUse[]): DiskUse | DiskUse[] {
  const [first = null] = uses;
  return uses.length > 1 ? uses : first;
}
