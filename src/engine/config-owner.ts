import { guestFiles, type GuestKey } from '../config/guest-file.ts';
import { nearestWord } from '../config/nearest.ts';
import { parseUuid } from '../domain/uuid.ts';
import { advice, command } from '../hint.ts';
import { quoteName, shellWord, shownPath } from '../text.ts';
import type { Remark } from './inspect-config.ts';

/** A guest that libvirt knows, as far as its configuration goes. */
export interface ConfiguredGuest extends GuestKey {
  /** Whether its XML cannot be read: then its UUID is not known. */
  readonly broken: boolean;
}

/** One file in `domains`. */
export interface OwnedFile {
  /** Of its entry. */
  readonly name: Buffer;
  readonly path: string;
  /** Every entry. */
  readonly all: readonly Buffer[];
  /** Undefined when they cannot be found out: then whose file it is cannot be told. */
  readonly guests: readonly ConfiguredGuest[] | undefined;
}

/** Whether a file is some guest's, and whether it is that guest's only one. */
export function ownerRemarks({ name, path, all, guests }: OwnedFile): Remark[] {
  if (guests === undefined) return [];
  const owners = guests.filter((guest) => guestFiles([name], guest).length > 0);
  return owners.length === 0
    ? orphan(name, path, guests)
    : owners.flatMap((guest) => rivals(name, all, guest));
}

function orphan(name: Buffer, path: string, guests: readonly ConfiguredGuest[]): Remark[] {
  const base = name.toString().replace(/\.\w+$/, '');
  // It may be the UUID of a guest whose XML cannot be read.
  if (parseUuid(base) !== undefined && guests.some(({ broken }) => broken)) return [];
  const names = guests.map((guest) => guest.name);
  const meant = nearestWord(base, names);
  const known = names.length === 0 ? 'none' : names.map(quoteName).join(', ');
  const word = shellWord(path);
  return [
    {
      severity: 'warning',
      text: `libvirt knows no guest ${quoteName(base)}: the file has no effect`,
      hints:
        meant === undefined
          ? [advice(`it knows ${known}`), ...(word === undefined ? [] : [command(`rm -i ${word}`)])]
          : [advice(`did you mean ${quoteName(meant)}?`)],
    },
  ];
}

/** Other files of the same guest: which one holds would be a guess. */
function rivals(name: Buffer, all: readonly Buffer[], guest: GuestKey): Remark[] {
  const others = guestFiles(all, guest)
    .map((each) => Buffer.from(each))
    .filter((each) => !each.equals(name))
    .map((each) => shownPath(each.toString()));
  if (others.length === 0) return [];
  return [
    {
      severity: 'problem',
      text: `guest ${quoteName(guest.name)} has another file, too: ${others.join(', ')}`,
      hints: [advice('keep one of the files')],
    },
  ];
}
