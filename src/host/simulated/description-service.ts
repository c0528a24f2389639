import type { DeviceDescription } from './description-schema.ts';

/** What a device that is in service shows: files below its directory, nodes in /dev, lines in /proc. */
export interface Service {
  readonly entries: Readonly<Record<string, string>>;
  readonly nodes: readonly string[];
  /** Nodes that the host has claimed for itself. */
  readonly claimed: readonly string[];
  readonly mountinfo?: string;
  readonly swaps?: string;
  readonly route?: string;
}

/** What the short words of a description (`disk`, `net`, `drm`, `sound`) come to. */
export function inService(device: DeviceDescription): Service {
  const parts = [disk(device), net(device), drm(device), sound(device)];
  return {
    entries: Object.assign({}, ...parts.map((part) => part.entries)) as Record<string, string>,
    nodes: parts.flatMap((part) => part.nodes),
    claimed: parts.flatMap((part) => part.claimed),
    mountinfo: parts.map((part) => part.mountinfo ?? '').join(''),
    swaps: parts.map((part) => part.swaps ?? '').join(''),
    route: parts.map((part) => part.route ?? '').join(''),
  };
}

const nothing: Service = { entries: {}, nodes: [], claimed: [] };

/** A disk and its partitions; who has mounted or swaps to one of them has claimed it and the whole disk. */
function disk({ disk: spec, address }: DeviceDescription): Service {
  if (!spec) return nothing;
  const isNvme = spec.name.startsWith('nvme');
  const controller = spec.name.replace(/n\d+$/, '');
  const directory = isNvme
    ? `nvme/${controller}/${spec.name}`
    : `ata1/host0/target0:0:0/0:0:0:0/block/${spec.name}`;
  const major = isNvme ? 259 : 8;
  // Device numbers that are the same in every run and different from one disk to another.
  const first = (Number.parseInt(address.slice(5, 7), 16) % 16) * 16;
  const names = [spec.name, ...Object.keys(spec.partitions).filter((each) => each !== spec.name)];
  const entries: Record<string, string> = isNvme ? { [`nvme/${controller}/state`]: 'live\n' } : {};
  const claimed = new Set<string>();
  let mountinfo = '';
  let swaps = '';
  for (const [index, name] of names.entries()) {
    const number = `${major}:${first + index}`;
    const path = name === spec.name ? directory : `${directory}/${name}`;
    Object.assign(entries, { [`${path}/dev`]: `${number}\n`, [`${path}/holders/`]: '' });
    const use = spec.partitions[name];
    if (use === undefined || use === null) continue;
    claimed.add(`/dev/${name}`).add(`/dev/${spec.name}`);
    if (use === 'swap') swaps += `/dev/${name}\t\t\t\tpartition\t8388604\t\t0\t\t-2\n`;
    else
      mountinfo += `${30 + first + index} 1 ${number} / ${use} rw,relatime shared:1 - ext4 /dev/${name} rw\n`;
  }
  return { entries, nodes: names.map((name) => `/dev/${name}`), claimed: [...claimed], mountinfo, swaps };
}

function net({ net: spec, address }: DeviceDescription): Service {
  if (!spec) return nothing;
  const directory = `net/${spec.name}`;
  const bytes = address.replace(/[^0-9a-f]/g, '').slice(-6);
  return {
    ...nothing,
    entries: {
      [`${directory}/operstate`]: spec.up ? 'up\n' : 'down\n',
      [`${directory}/address`]: `52:54:00:${bytes.slice(0, 2)}:${bytes.slice(2, 4)}:${bytes.slice(4, 6)}\n`,
      ...(spec.up && { [`${directory}/carrier`]: '1\n' }),
      ...(spec.master !== undefined && {
        [`${directory}/master`]: `-> /sys/class/net/${spec.master}`,
        [`${directory}/upper_${spec.master}`]: `-> /sys/class/net/${spec.master}`,
      }),
    },
    ...(spec.defaultRoute && {
      route: `${spec.master ?? spec.name}\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n`,
    }),
  };
}

function drm({ drm: names }: DeviceDescription): Service {
  const entries = names.map((name) => [`drm/${name}/dev`, '226:0\n'] as const);
  return { ...nothing, entries: Object.fromEntries(entries), nodes: names.map((name) => `/dev/dri/${name}`) };
}

function sound({ sound: name }: DeviceDescription): Service {
  if (name === undefined) return nothing;
  const number = name.replace(/^card/, '');
  return {
    ...nothing,
    entries: { [`sound/${name}/id`]: 'HDMI\n', [`sound/${name}/number`]: `${number}\n` },
    nodes: [`/dev/snd/controlC${number}`, `/dev/snd/pcmC${number}D3p`],
  };
}
