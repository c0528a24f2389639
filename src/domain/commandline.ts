import { pciAddress, type PciAddress } from '../pci/address.ts';
import { quoteName } from '../text.ts';
import type { Hostdev } from './domain.ts';
import { childrenNamed, type Element } from './element.ts';
import { refuse } from './refuse.ts';
import { parseUuid } from './uuid.ts';

/** The namespace of `<qemu:commandline>`; the prefix is free. */
export const QEMU_NAMESPACE = 'http://libvirt.org/schemas/domain/qemu/1.0';

/** QEMU's names for the device model that assigns a host device. */
const MODELS: ReadonlySet<string> = new Set(['vfio-pci', 'vfio-pci-nohotplug']);

/** What a `-device` argument says: property by name. */
type Properties = ReadonlyMap<string, string>;

/**
 * Reads a `<qemu:commandline>`: the host devices of its `-device vfio-pci,…` arguments, which QEMU opens and
 * libvirt knows nothing of. Both forms of QEMU are read, `name=value` and JSON, with `host` or `sysfsdev`.
 * A device that is given as an open descriptor names no host device and is left out.
 * Throws VH_XML when such an argument names a host device that cannot be read.
 */
export function readCommandline(commandline: Element): readonly Hostdev[] {
  const values = childrenNamed(commandline, 'arg', QEMU_NAMESPACE).map(
    (arg) => arg.attributes.get('value') ?? '',
  );
  return values.flatMap((value, index) =>
    /^--?device$/.test(values[index - 1] ?? '') ? readDeviceArgument(value) : [],
  );
}

function readDeviceArgument(value: string): readonly Hostdev[] {
  const properties = value.trimStart().startsWith('{') ? jsonProperties(value) : listProperties(value);
  if (!MODELS.has(properties.get('driver') ?? '')) return [];
  const host = properties.get('host');
  if (host !== undefined) {
    const address = parseHost(host);
    if (!address) refuse(`host=${quoteName(host)} in -device ${quoteName(value)} is no PCI address`);
    return [{ kind: 'commandline', address, managed: false }];
  }
  return readSysfsPath(properties.get('sysfsdev') ?? '');
}

/** `sysfsdev` is the path of a PCI function or of a mediated device: its last component names it. */
function readSysfsPath(path: string): readonly Hostdev[] {
  const name = path.replace(/\/+$/, '').split('/').at(-1) ?? '';
  const uuid = parseUuid(name);
  if (uuid !== undefined) return [{ kind: 'mdev', uuid, model: 'vfio-pci', managed: false }];
  const address = parseHost(name);
  return address ? [{ kind: 'commandline', address, managed: false }] : [];
}

/** QEMU's own grammar of a host address, which needs no leading zeros (hw/core/qdev-properties-system.c). */
function parseHost(text: string): PciAddress | undefined {
  const match = /^(?:([0-9a-f]{1,8}):)?([0-9a-f]{1,2}):([0-9a-f]{1,2})\.([0-7])$/i.exec(text);
  if (!match) return undefined;
  const [domain, bus, slot, fn] = match.slice(1).map((digits?: string) => parseInt(digits ?? '0', 16));
  return pciAddress({ domain: domain ?? 0, bus: bus ?? 0, slot: slot ?? 0, function: fn ?? 0 });
}

/** `vfio-pci,host=01:00.0,id=gpu`: the first word is the driver, two commas stand for one in a value. */
function listProperties(text: string): Properties {
  const properties = new Map<string, string>();
  for (const [index, part] of text.replaceAll(',,', '\0').split(',').entries()) {
    const word = part.replaceAll('\0', ',');
    const equals = word.indexOf('=');
    if (equals !== -1) properties.set(word.slice(0, equals), word.slice(equals + 1));
    else if (index === 0) properties.set('driver', word);
  }
  return properties;
}

function jsonProperties(text: string): Properties {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    // An argument that is none of ours is QEMU's to judge.
    if (text.includes('vfio-pci')) refuse(`-device ${quoteName(text)} is no JSON`, error);
    return new Map();
  }
  return new Map(
    Object.entries(value ?? {}).flatMap(([name, entry]) =>
      typeof entry === 'string' ? [[name, entry]] : [],
    ),
  );
}
