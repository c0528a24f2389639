import { netEntries } from './description-network.ts';
import type { DeviceDescription } from './description-schema.ts';
import type { KeyboardSpec } from './spec.ts';

/** What a device that is in service shows: files below its directory, nodes in /dev, lines in /proc. */
export interface Service {
  readonly entries: Readonly<Record<string, string>>;
  readonly nodes: readonly string[];
  /** Nodes that the host has claimed for itself. */
  readonly claimed: readonly string[];
  readonly keyboards?: readonly KeyboardSpec[];
}

/** What the short words of a description (`net`, `drm`, `sound`) come to. */
export function inService(device: DeviceDescription): Service {
  return [net(device), graphics(device), video(device), sound(device)].reduce(joined, nothing);
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
    ...(keyboards.length > 0 && { keyboards }),
  };
}

function net(device: DeviceDescription): Service {
  return { ...nothing, entries: netEntries(device) };
}

function graphics({ drm, framebuffer }: DeviceDescription): Service {
  const entries = drm.map((name): [string, string] => [`drm/${name}/dev`, '226:0\n']);
  const nodes = drm.map((name) => `/dev/dri/${name}`);
  if (framebuffer !== undefined) {
    entries.push([`graphics/${framebuffer}/dev`, `29:${framebuffer.replace('fb', '')}\n`]);
    nodes.push(`/dev/${framebuffer}`);
  }
  return { ...nothing, entries: Object.fromEntries(entries), nodes };
}

function video({ video: names }: DeviceDescription): Service {
  return {
    ...nothing,
    entries: Object.fromEntries(names.map((name) => [`video4linux/${name}/dev`, '81:0\n'])),
    nodes: names.map((name) => `/dev/${name}`),
  };
}

function sound({ sound: name }: DeviceDescription): Service {
  if (name === undefined) return nothing;
  const number = name.replace(/^card/, '');
  const nodes = [`controlC${number}`, `hwC${number}D0`, `pcmC${number}D3p`];
  return {
    ...nothing,
    entries: {
      [`sound/${name}/id`]: 'HDMI\n',
      [`sound/${name}/number`]: `${number}\n`,
      ...Object.fromEntries(nodes.map((node, index) => [`sound/${name}/${node}/dev`, `116:${index}\n`])),
    },
    nodes: nodes.map((node) => `/dev/snd/${node}`),
  };
}
