import { sysfs } from '../../pci/sysfs.ts';
import type { Host } from '../../host/host.ts';
import { isPlain, plainOrQuoted } from './words.ts';

/** A block device that is made of others. */
export interface Layer {
  /** Such as `dm-0 (LUKS cryptroot)`. */
  readonly words: string;
  /** The command that takes it apart; absent when none is known. */
  readonly close?: string;
}

/** What a block device above a disk is, by its name and what its driver shows in sysfs. */
export function layerOf(host: Host, name: string): Layer {
  const text = (attribute: string): string | undefined =>
    host.read(sysfs.blockAttribute(name, attribute))?.trimEnd();
  const mapping = text('dm/name');
  if (mapping !== undefined) return mappingOf(name, mapping, text('dm/uuid') ?? '');
  const node = sysfs.node(name);
  const level = text('md/level');
  if (level !== undefined) {
    return { words: `${name} (md ${plainOrQuoted(level || 'array')})`, close: `mdadm --stop ${node}` };
  }
  if (/^bcache\d+$/.test(name)) {
    return { words: `${name} (bcache)`, close: `echo 1 > ${sysfs.blockAttribute(name, 'bcache/stop')}` };
  }
  if (/^loop\d+$/.test(name)) return { words: `${name} (loop)`, close: `losetup -d ${node}` };
  return { words: plainOrQuoted(name) };
}

/** Who made a mapping stands before the first dash of its uuid (the tools' own convention, shared by lsblk). */
function mappingOf(name: string, mapping: string, uuid: string): Layer {
  const shown = plainOrQuoted(mapping);
  const command = (words: string): Pick<Layer, 'close'> =>
    isPlain(mapping) ? { close: `${words} ${mapping}` } : {};
  if (uuid.startsWith('CRYPT-')) {
    const kind = uuid.startsWith('CRYPT-LUKS') ? 'LUKS' : 'dm-crypt';
    return { words: `${name} (${kind} ${shown})`, ...command('cryptsetup close') };
  }
  if (uuid.startsWith('LVM-')) {
    const group = volumeGroup(mapping);
    return {
      words: `${name} (LVM ${shown})`,
      ...(group !== undefined && { close: `vgchange -an ${group}` }),
    };
  }
  if (uuid.startsWith('mpath-')) {
    return { words: `${name} (multipath ${shown})`, ...command('multipath -f') };
  }
  return { words: `${name} (device mapper ${shown})`, ...command('dmsetup remove') };
}

/** `my-group` of `my--group-home`: a dash in a name is written twice, a single one stands between the names. */
function volumeGroup(mapping: string): string | undefined {
  const group = /^((?:[^-]|--)+)-(?!-)/.exec(mapping)?.[1]?.replaceAll('--', '-');
  return group !== undefined && isPlain(group) ? group : undefined;
}
