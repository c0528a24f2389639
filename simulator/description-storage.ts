import type { DiskDescription, DiskUse } from './description-disk.ts';
import { directoryOf, interfaceOf, mangled } from './disk-paths.ts';
import type { DeviceDescription } from './description-schema.ts';
import { joined, nothing, type Service } from './description-service.ts';
import { knownDriver } from './known-drivers.ts';
import type { VolumeSpec } from './spec.ts';

/** What the disks of a machine come to. */
export interface Storage {
  /** In the order of the devices. */
  readonly services: readonly Service[];
  readonly volumes: readonly VolumeSpec[];
  readonly mountinfo: string;
  readonly swaps: string;
  /** Text files elsewhere: what btrfs and udev know. */
  readonly files: Readonly<Record<string, string>>;
}

/** Disks, volumes and mounts of all devices; what is on the disks of a device without a host driver is not in use. */
export function expandStorage(devices: readonly DeviceDescription[]): Storage {
  const draft = new Draft();
  const services = devices.map((device) => {
    const disks = [...(device.disk ? [device.disk] : []), ...device.disks];
    const used = device.driver !== undefined && knownDriver(device.driver).dma === 'native';
    return disks.map((disk) => draft.disk(disk, device.address, used)).reduce(joined, nothing);
  });
  return { services, ...draft.result() };
}

interface DraftVolume {
  readonly name: string;
  readonly directory: string;
  readonly entries: Record<string, string>;
  readonly nodes: string[];
  controllers?: string[];
  claimed: readonly string[];
}

/** Something that can carry file systems: a disk, a partition or a volume. */
interface Carrier {
  readonly name: string;
  readonly number: string;
  /** The path that it is mounted by. */
  readonly node: string;
}

/** What has become of a carrier. */
interface Carried {
  readonly claimed: boolean;
  /** Names of the volumes that are made of it. */
  readonly holders: readonly string[];
}

/** Major numbers of drivers (Documentation/admin-guide/devices.txt); the device mapper's is the usual one. */
const MAJORS = {
  blkext: 259,
  sd: 8,
  virtblk: 254,
  mmc: 179,
  'device-mapper': 253,
  md: 9,
  bcache: 252,
  anonymous: 0,
};

class Draft {
  private readonly minors = new Map<keyof typeof MAJORS, number>([['anonymous', 40]]);
  private readonly volumes = new Map<string, DraftVolume>();
  private readonly carriers = new Map<string, Carrier>();
  private readonly shared = new Map<string, { readonly number: string; readonly source: string }>();
  private readonly mounts: string[] = [];
  private readonly swaps: string[] = [];
  private readonly files: Record<string, string> = {};

  disk(disk: DiskDescription, address: string, used: boolean): Service {
    return disk.multipath === undefined
      ? this.ownDisk(disk, used)
      : this.namespace(disk, disk.multipath, { address, used });
  }

  result(): Omit<Storage, 'services'> {
    return {
      volumes: [...this.volumes.values()],
      mountinfo: this.mounts.join(''),
      swaps: this.swaps.join(''),
      files: this.files,
    };
  }

  private ownDisk(disk: DiskDescription, used: boolean): Service {
    const controller = disk.name.replace(/n\d+$/, '');
    const directory = directoryOf(disk);
    const entries: Record<string, string> = {};
    if (disk.name.startsWith('nvme')) entries[`nvme/${controller}/state`] = 'live\n';
    if (disk.usb !== undefined) entries[`${interfaceOf(disk.usb)}/bInterfaceClass`] = '08\n';
    const { names, claimed } = this.fill(disk, directory, { entries, used });
    return {
      entries,
      nodes: names.map((name) => `/dev/${name}`),
      claimed: claimed.map((name) => `/dev/${name}`),
    };
  }

  /** A namespace with multipath: the disk is the subsystem's, and each controller has a hidden path to it. */
  private namespace(
    disk: DiskDescription,
    controller: string,
    { address, used }: { readonly address: string; readonly used: boolean },
  ): Service {
    const [, subsystem = '', id = ''] = /^nvme(\d+)n(\d+)$/.exec(disk.name) ?? [];
    const path = `nvme${subsystem}c${controller.slice('nvme'.length)}n${id}`;
    const known = this.volumes.get(disk.name);
    if (known) known.controllers?.push(`${address}/nvme/${controller}`);
    else {
      const directory = `nvme-subsystem/nvme-subsys${subsystem}/${disk.name}`;
      const entries: Record<string, string> = {};
      const { names, claimed } = this.fill(disk, directory, { entries, used });
      this.volumes.set(disk.name, {
        name: disk.name,
        directory,
        entries,
        nodes: names.map((name) => `/dev/${name}`),
        controllers: [`${address}/nvme/${controller}`],
        claimed: claimed.map((name) => `/dev/${name}`),
      });
    }
    return {
      ...nothing,
      entries: { [`nvme/${controller}/state`]: 'live\n', [`nvme/${controller}/${path}/hidden`]: '1\n' },
    };
  }

  /** Writes the directories of a disk and its partitions; who claims one of them has claimed the disk. */
  private fill(
    disk: DiskDescription,
    directory: string,
    { entries, used }: { readonly entries: Record<string, string>; readonly used: boolean },
  ): { readonly names: string[]; readonly claimed: string[] } {
    const names = [disk.name, ...Object.keys(disk.partitions).filter((each) => each !== disk.name)];
    const claimed = new Set<string>();
    for (const [index, name] of names.entries()) {
      const path = index === 0 ? directory : `${directory}/${name}`;
      const carrier = { name, number: this.number(familyOf(name)), node: `/dev/${name}` };
      const { [name]: uses = null } = disk.partitions;
      const carried = this.carry(carrier, used ? uses : null);
      Object.assign(entries, this.attributes(path, carrier, carried));
      if (index > 0) entries[`${path}/partition`] = `${index}\n`;
      if (carried.claimed) claimed.add(name).add(disk.name);
    }
    return { names, claimed: [...claimed] };
  }

  private attributes(path: string, { number }: Carrier, { holders }: Carried): Record<string, string> {
    const links = holders.map((name) => [`${path}/holders/${name}`, `-> /sys/devices/virtual/block/${name}`]);
    return {
      [`${path}/dev`]: `${number}\n`,
      [`${path}/holders/`]: '',
      ...(Object.fromEntries(links) as object),
    };
  }

  private carry(carrier: Carrier, uses: DiskUse | readonly DiskUse[]): Carried {
    const holders: string[] = [];
    let claimed = false;
    for (const use of isList(uses) ? uses : [uses]) {
      if (use === null) continue;
      claimed = true;
      if (use === 'swap') this.swaps.push(`/dev/${carrier.name}\t\t\t\tpartition\t8388604\t\t0\t\t-2\n`);
      else if (typeof use === 'string') this.mount(use, { ...carrier, type: 'ext4', source: carrier.node });
      else if ('btrfs' in use) this.btrfs(carrier, use);
      else if ('zfs' in use) this.zfs(carrier, use);
      else holders.push(this.volume(use));
    }
    return { claimed, holders };
  }

  private volume(use: Exclude<DiskUse, string | null | { btrfs: string } | { zfs: string }>): string {
    const { kind, name } = named(use);
    const family = kind === 'md' || kind === 'bcache' ? kind : 'device-mapper';
    const key = `${kind} ${name}`;
    let carrier = this.carriers.get(key);
    if (!carrier) {
      const number = this.number(family);
      const kernelName = family === 'device-mapper' ? `dm-${number.split(':')[1] ?? ''}` : name;
      const node = family === 'device-mapper' ? `/dev/mapper/${name}` : `/dev/${name}`;
      carrier = { name: kernelName, number, node };
      this.carriers.set(key, carrier);
      const directory = `block/${kernelName}`;
      this.volumes.set(kernelName, {
        name: kernelName,
        directory,
        entries: {
          ...this.attributes(directory, carrier, { claimed: false, holders: [] }),
          ...(family === 'device-mapper' && {
            [`${directory}/dm/name`]: `${name}\n`,
            [`${directory}/dm/uuid`]: `${uuidPrefixes[kind] ?? ''}${kernelName}\n`,
          }),
          ...('md' in use && { [`${directory}/md/level`]: `${use.level ?? 'raid1'}\n` }),
        },
        nodes: [
          `/dev/${kernelName}`,
          ...(family === 'device-mapper' ? [`${node} -> /dev/${kernelName}`] : []),
        ],
        claimed: [],
      });
    }
    const made = this.volumes.get(carrier.name);
    if (made && use.holds !== undefined) {
      const carried = this.carry(carrier, use.holds);
      Object.assign(made.entries, this.attributes(made.directory, carrier, carried));
      if (carried.claimed) made.claimed = [`/dev/${carrier.name}`];
    }
    return carrier.name;
  }

  /** mountinfo names the member that was mounted, under a number of the file system's own. */
  private btrfs(
    carrier: Carrier,
    { btrfs: label, mount }: { btrfs: string; mount?: string | undefined },
  ): void {
    const key = `btrfs ${label}`;
    const known = this.shared.get(key) ?? { number: this.number('anonymous'), source: carrier.node };
    this.shared.set(key, known);
    const uuid = `00000000-0000-4000-8000-${known.number.replace(':', '').padStart(12, '0')}`;
    this.files[`/sys/fs/btrfs/${uuid}/devices/${carrier.name}`] = `-> /sys/class/block/${carrier.name}`;
    if (mount !== undefined) this.mount(mount, { ...known, type: 'btrfs' });
  }

  /** mountinfo names the data set; that a device is a member of the pool, udev has read from the device. */
  private zfs(carrier: Carrier, { zfs: pool, mount }: { zfs: string; mount?: string | undefined }): void {
    this.files[`/run/udev/data/b${carrier.number}`] = `E:ID_FS_TYPE=zfs_member\nE:ID_FS_LABEL=${pool}\n`;
    if (mount === undefined) return;
    this.mount(mount, { number: this.number('anonymous'), type: 'zfs', source: pool });
  }

  private mount(
    point: string,
    { number, type, source }: { readonly number: string; readonly type: string; readonly source: string },
  ): void {
    const id = 30 + this.mounts.length;
    this.mounts.push(
      `${id} 1 ${number} / ${mangled(point)} rw,relatime shared:1 - ${type} ${mangled(source)} rw\n`,
    );
  }

  /** A device number that no other device of this machine has. */
  private number(family: keyof typeof MAJORS): string {
    const minor = this.minors.get(family) ?? 0;
    this.minors.set(family, minor + 1);
    return `${MAJORS[family]}:${minor}`;
  }
}

const uuidPrefixes: Readonly<Record<string, string>> = {
  luks: 'CRYPT-LUKS2-',
  lvm: 'LVM-',
  multipath: 'mpath-',
};

function named(use: object): { readonly kind: string; readonly name: string } {
  const kind = Object.keys(use).find((key) => key !== 'holds' && key !== 'level') ?? '';
  return { kind, name: String((use as Readonly<Record<string, unknown>>)[kind]) };
}

function isList(uses: DiskUse | readonly DiskUse[]): uses is readonly DiskUse[] {
  return Array.isArray(uses);
}

function familyOf(name: string): keyof typeof MAJORS {
  if (name.startsWith('sd')) return 'sd';
  if (name.startsWith('vd')) return 'virtblk';
  return name.startsWith('mmc') ? 'mmc' : 'blkext';
}
