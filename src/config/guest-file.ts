/** The endings of configuration files; the ending chooses the format. */
export const configEndings = ['.yaml', '.yml', '.json'] as const;

/** A guest as far as its configuration file is concerned. */
export interface GuestKey {
  readonly name: string;
  /** Lower case, 8-4-4-4-12; absent for a guest that libvirt has given none yet. */
  readonly uuid?: string;
}

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/**
 * The entries of the directory `domains` that are this guest's configuration: one, none, or several by mistake.
 *
 * The guest's name comes from a domain XML and may be anything, so no path is ever made of it: names of entries
 * are compared with it, byte for byte. In an entry's name before the ending, `%` and two hexadecimal digits
 * stand for that byte, so that each guest can have a file (`%2F` for a slash); a `%` without digits stands for itself.
 * An entry named like a UUID belongs to the guest with that UUID, and never to another guest that took the UUID for a name.
 */
export function guestFiles(entries: readonly Uint8Array[], guest: GuestKey): Uint8Array[] {
  const name = new TextEncoder().encode(guest.name);
  return entries.filter((entry) => {
    const base = baseName(entry);
    if (!base || base.length === 0) return false;
    const text = latin1(base);
    if (UUID.test(text)) return text.toLowerCase() === guest.uuid;
    return sameBytes(percentDecoded(base), name);
  });
}

/**
 * A name for a guest's configuration file, one that {@link guestFiles} takes for this guest's: after the guest's
 * name, with every byte as `%` and digits that is not harmless in a path, a shell and a terminal. Its UUID where
 * the name is like one or too long for a file; undefined where it would take one that the guest has not got.
 */
export function guestFileName(guest: Required<GuestKey>): string;
export function guestFileName(guest: GuestKey): string | undefined;
export function guestFileName({ name, uuid }: GuestKey): string | undefined {
  const encoded = Array.from(new TextEncoder().encode(name), (byte, index) => {
    const character = String.fromCharCode(byte);
    // In front, a dot would hide the file and a dash would be an option.
    const harmless = /\w/.test(character) || (index > 0 && /[.+@:,=-]/.test(character));
    return harmless ? character : `%${byte.toString(16).padStart(2, '0')}`;
  }).join('');
  const usable = encoded !== '' && encoded.length <= 200 && !UUID.test(encoded);
  const base = usable ? encoded : uuid;
  return base === undefined ? undefined : `${base}.yaml`;
}

/** Where the configuration of a guest belongs, for people to read: `/etc/vfio-hook/domains/win11.yaml`. */
export function guestFilePath(guest: GuestKey, directory = '/etc/vfio-hook'): string {
  return `${directory}/domains/${guestFileName(guest) ?? 'UUID.yaml'}`;
}

/** The entries of the configuration directory that hold the defaults of all guests: one, none, or several by mistake. */
export function defaultsFiles(entries: readonly Uint8Array[]): Uint8Array[] {
  return entries.filter((entry) => latin1(baseName(entry) ?? new Uint8Array()) === 'config');
}

/** An entry's name without its ending; undefined when it has none of {@link configEndings}. */
function baseName(entry: Uint8Array): Uint8Array | undefined {
  const text = latin1(entry);
  const ending = configEndings.find((candidate) => text.endsWith(candidate));
  return ending === undefined ? undefined : entry.slice(0, -ending.length);
}

function percentDecoded(bytes: Uint8Array): Uint8Array {
  const decoded = latin1(bytes).replace(/%([0-9a-f]{2})/gi, (_, digits: string) =>
    String.fromCharCode(parseInt(digits, 16)),
  );
  return Uint8Array.from(decoded, (character) => character.charCodeAt(0));
}

/** One character per byte, so that bytes which are no UTF-8 stay what they are. */
function latin1(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}
