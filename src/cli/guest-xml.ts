import { closeSync, constants, openSync, statSync } from 'node:fs';
import { nearestWord } from '../config/nearest.ts';
import { shellWord } from '../config/quoted.ts';
import type { Domain } from '../domain/domain.ts';
import { outlineXml } from '../domain/outline.ts';
import { parseDomain } from '../domain/parse.ts';
import { parseUuid } from '../domain/uuid.ts';
import { errnoOf, VfioHookError } from '../errors.ts';
import { readStdin } from '../hook/stdin.ts';
import type { Host } from '../host/host.ts';
import { quoteName } from '../text.ts';

/** Where libvirt keeps the definitions of guests, `NAME.xml` each (src/conf/domain_conf.c:virDomainConfigFile). */
const DEFINED = '/etc/libvirt/qemu';
/** Where it keeps the state of those that run; a transient guest has a file only here. */
const RUNNING = '/run/libvirt/qemu';
const ENDING = '.xml';

/** A guest, and the XML that was read. */
export interface GuestXml {
  readonly domain: Domain;
  readonly xml: string;
  /** The file; absent for standard input. */
  readonly path?: string;
}

/**
 * The guest that an operand names, by the one rule that every command has:
 *
 * - `-` is standard input.
 * - What contains a slash or ends in `.xml` is a file with the XML of a guest.
 * - Anything else is the UUID or the name of a guest that libvirt knows; when there is none, a file of that name.
 *
 * libvirt itself is not asked: its files are read through `host`. The definition of a guest counts before its
 * running state, as it does for its next start. A name is compared with the names of files, and no path is made of it.
 * Throws VH_XML when there is no such guest, when it cannot be read, and for XML that is none.
 */
export function readGuest(operand: string, host: Host): GuestXml {
  if (operand === '-') return { ...withDomain(readStdin()) };
  if (operand.includes('/') || operand.endsWith(ENDING)) return readFile(operand);
  let known: readonly KnownGuest[];
  try {
    known = knownGuests(host);
    const found = byUuid(operand, known, host) ?? byName(operand, known, host);
    if (found) return found;
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === undefined || error instanceof VfioHookError) throw error;
    return fileInstead(operand) ?? cannotLook(operand, errno);
  }
  return fileInstead(operand) ?? unknown(operand, known);
}

/** A guest that libvirt has a file for. */
export interface KnownGuest {
  readonly name: string;
  /** Its definition, or its running state when it has no definition. */
  readonly path: string;
}

/**
 * Every guest that libvirt has a file for, each once. Throws an errno error when the files may not be looked
 * at (EACCES: /etc/libvirt/qemu is for root).
 */
export function knownGuests(host: Host): KnownGuest[] {
  const byName = new Map<string, KnownGuest>();
  for (const directory of [DEFINED, RUNNING]) {
    for (const entry of host.list(directory) ?? []) {
      const name = entry.slice(0, -ENDING.length);
      if (!entry.endsWith(ENDING) || name === '' || byName.has(name)) continue;
      byName.set(name, { name, path: `${directory}/${entry}` });
    }
  }
  return [...byName.values()];
}

/** The XML of a guest that libvirt has a file for; undefined when the file went away. */
export function readKnownGuest({ path }: KnownGuest, host: Host): GuestXml | undefined {
  const text = host.read(path);
  return text === undefined ? undefined : { ...withDomain(definitionIn(text)), path };
}

function byName(operand: string, known: readonly KnownGuest[], host: Host): GuestXml | undefined {
  const guest = known.find(({ name }) => name === operand);
  return guest && readKnownGuest(guest, host);
}

/** A file of another guest that is broken does not keep this one from being found. */
function byUuid(operand: string, known: readonly KnownGuest[], host: Host): GuestXml | undefined {
  const uuid = parseUuid(operand);
  if (uuid === undefined) return undefined;
  for (const guest of known) {
    if (host.read(guest.path)?.toLowerCase().includes(uuid) !== true) continue;
    try {
      const read = readKnownGuest(guest, host);
      if (read?.domain.uuid === uuid) return read;
    } catch (error) {
      if (!(error instanceof VfioHookError)) throw error;
    }
  }
  return undefined;
}

/** The state of a running guest has its definition inside (`<domstatus>`, src/conf/domain_conf.c:virDomainObjFormat). */
function definitionIn(text: string): string {
  const { root, children } = outlineXml(text);
  return root === 'domstatus' ? (children.find(({ name }) => name === 'domain')?.xml ?? text) : text;
}

function withDomain(xml: string): { readonly domain: Domain; readonly xml: string } {
  return { domain: parseDomain(xml), xml };
}

function readFile(path: string): GuestXml {
  try {
    return { ...withDomain(definitionIn(textOf(path))), path };
  } catch (error) {
    if (error instanceof VfioHookError) throw error;
    throw new VfioHookError('VH_XML', `cannot read ${path}: ${errnoOf(error) ?? String(error)}`, {
      path,
      hints: ['give the name of a guest, or a file with its XML: virsh dumpxml GUEST > guest.xml'],
    });
  }
}

function textOf(path: string): string {
  const fd = openSync(path, constants.O_RDONLY);
  try {
    return readStdin(fd);
  } finally {
    closeSync(fd);
  }
}

/** For whoever types the name of a file without an ending, where no guest has that name. */
function fileInstead(operand: string): GuestXml | undefined {
  return isFile(operand) ? readFile(operand) : undefined;
}

/** A guest's name may be one that no file can have: too long, or with a NUL in it. */
function isFile(path: string): boolean {
  try {
    return !statSync(path).isDirectory();
  } catch {
    return false;
  }
}

function cannotLook(operand: string, errno: string): never {
  const word = shellWord(operand);
  throw new VfioHookError(
    'VH_XML',
    `cannot look for guest ${quoteName(operand)} among those of libvirt in ${DEFINED}: ${errno}`,
    {
      path: DEFINED,
      errno,
      hints: [
        'run it as root (sudo)',
        ...(word === undefined
          ? []
          : [`or hand in the XML: virsh -c qemu:///system dumpxml ${word} | vfio-hook … -`]),
      ],
    },
  );
}

function unknown(operand: string, known: readonly KnownGuest[]): never {
  const names = known.map(({ name }) => name);
  const meant = nearestWord(operand, names);
  throw new VfioHookError('VH_XML', `libvirt knows no guest ${quoteName(operand)} on this host`, {
    hints: [
      meant === undefined
        ? `it knows ${names.length === 0 ? 'none' : names.map(quoteName).join(', ')}`
        : `did you mean ${quoteName(meant)}?`,
      'a file with the XML of a guest has a slash in its name or ends in .xml',
    ],
  });
}
