import type { DeviceDescription } from './description-schema.ts';
import type { KeyboardSpec } from './spec.ts';

/** What a device that is in service shows: files below its directory, nodes in /dev, lines in /proc. */
export interface Service {
  readonly entries: Readonly<Record<string, string>>;
  readonly nodes: readonly string[];
  /** Nodes that the host has claimed for itself. */
  readonly claimed: readonly string[];
  readonly route?: string;
  readonly keyboards?: readonly KeyboardSpec[];
}

/** What the short words of a description (`net`, `drm`, `sound`) come to. */
export function inService(device: DeviceDescription): Service {
  return [net(device), drm(device), sound(device)].reduce(joined, nothing);
}

/** A device that shows nothing. */
export const nothing: Service = { entries: {}, nodes: [], claimed: [] };

/** What two parts of a device show. */
export function joined(a: Service, b: Service): Service {
  const keyboards = [...(a.keyboards ?? []), ...(b.keyboards ?? [])];
  return {
    entries: { ...a.entries, ...b.entries },
    nodes: [...a.nodes, ...b.nodes],
    claimed: [...a.claimed, ...b.claimed],
    route: (a.route ?? '') + (b.route ?? ''),
    ...(keyboards.length > 0 && { keyboards }),
  };
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
