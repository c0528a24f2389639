import { advice } from '../hint.ts';
import { closeSync, constants, openSync, statSync } from 'node:fs';
import { nearestWord } from '../config/nearest.ts';
import { parseUuid } from '../domain/uuid.ts';
import {
  guestDirectories,
  knownGuests,
  readGuestText,
  readKnownGuest,
  type ReadGuest,
  type KnownGuest,
} from '../engine/guests.ts';
import { errnoOf, VfioHookError } from '../errors.ts';
import { readStdin } from '../hook/stdin.ts';
import type { Host } from '../host/host.ts';
import { quoteName, shellWord } from '../text.ts';
import { cannotRead } from './operand.ts';

/**
 * The guest that an operand names, by the one rule that every command has:
 *
 * - `-` is standard input.
 * - What contains a slash or ends in `.xml` is a file with the XML of a guest.
 * - Anything else is the UUID or the name of a guest that libvirt knows; when there is none, a file of that name.
 *
 * A name is compared with the names of files, and no path is made of it.
 * Throws VH_XML when there is no such guest, when it cannot be read, and for XML that is none.
 */
export function readGuest(operand: string, host: Host): ReadGuest {
  if (operand === '-') return readGuestText(readStdin());
  if (operand.includes('/') || operand.endsWith('.xml')) return readFile(operand);
  let known: readonly KnownGuest[];
  try {
    known = knownGuests(host);
    const found = byUuid(operand, known, host) ?? byName(operand, known, host);
    if (found) return found;
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === undefined) throw error;
    return fileInstead(operand) ?? cannotLook(operand, errno);
  }
  return fileInstead(operand) ?? unknown(operand, known);
}

function byName(operand: string, known: readonly KnownGuest[], host: Host): ReadGuest | undefined {
  const guest = known.find(({ name }) => name === operand);
  return guest && readKnownGuest(guest, host);
}

/** A file of another guest that is broken does not keep this one from being found. */
function byUuid(operand: string, known: readonly KnownGuest[], host: Host): ReadGuest | undefined {
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

function readFile(path: string): ReadGuest {
  try {
    return { ...readGuestText(textOf(path)), path };
  } catch (error) {
    if (error instanceof VfioHookError && error.errno === undefined) throw error;
    throw cannotRead(path, error, [
      advice('give the name of a guest, or a file with its XML: virsh dumpxml GUEST > guest.xml'),
    ]);
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
function fileInstead(operand: string): ReadGuest | undefined {
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
    `cannot look for guest ${quoteName(operand)} among those of libvirt in ${guestDirectories.defined}: ${errno}`,
    {
      path: guestDirectories.defined,
      errno,
      hints: [
        advice('run it as root (sudo)'),
        ...(word === undefined
          ? []
          : [advice(`or hand in the XML: virsh -c qemu:///system dumpxml ${word} | vfio-hook … -`)]),
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
        ? advice(`it knows ${names.length === 0 ? 'none' : names.map(quoteName).join(', ')}`)
        : advice(`did you mean ${quoteName(meant)}?`),
      advice('a file with the XML of a guest has a slash in its name or ends in .xml'),
    ],
  });
}
