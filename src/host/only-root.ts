import { STORE } from '../distribution.ts';
import type { Host } from './host.ts';
import { octal } from '../text.ts';

/** What lets somebody else put another file in the place of one. */
export interface Opening {
  /** The directory, link or file of the path that is to blame. */
  readonly path: string;
  readonly kind: 'owner' | 'mode';
  /** In words, the same as those of hooks/only-root.sh. */
  readonly found: string;
}

/** Whose files are trusted. */
export interface Trusted {
  /** Their owner: 0 on a real host. */
  readonly uid: number;
  /** A directory that is taken for granted, with all above it: whatever lies above the whole of a simulated machine. */
  readonly granted?: string;
  /** A directory whose sticky bit is trusted; without it STORE. */
  readonly store?: string;
}

/** drwxrwxr-t: its group adds what was not there, and replaces nothing. */
const STORE_MODE = 0o1775;

/** Links that Linux follows on the way to one file (MAXSYMLINKS, include/linux/namei.h). */
const MOST_LINKS = 40;

/**
 * The rule for what root runs, which hooks/only-root.sh has for the launcher and install.sh: every component of its
 * path, from /, and every link on the way belongs to root, and neither group nor others may write to it; a sticky bit
 * does not excuse, but for that of the store. Returns the first component that breaks it. What is not there breaks nothing.
 */
export function openingFor(
  host: Pick<Host, 'status' | 'readLink'>,
  path: string,
  trusted: Trusted = { uid: 0 },
): Opening | undefined {
  let ahead = steps(path);
  let at = '';
  let links = 0;
  const root = opening(host, '/', trusted);
  if (root) return root;
  for (let step = ahead.shift(); step !== undefined; step = ahead.shift()) {
    at = `${at}/${step}`;
    if (step === '..') {
      at = at.split('/').slice(0, -2).join('/');
      continue;
    }
    const found = opening(host, at, trusted);
    if (found) return found;
    if (host.status(at)?.kind !== 'link') continue;
    links += 1;
    if (links > MOST_LINKS) return undefined;
    const target = host.readLink(at) ?? '';
    ahead = [...steps(target), ...ahead];
    at = target.startsWith('/') ? '' : at.slice(0, at.lastIndexOf('/'));
  }
  return undefined;
}

function steps(path: string): string[] {
  return path.split('/').filter((step) => step !== '' && step !== '.');
}

function opening(
  host: Pick<Host, 'status'>,
  path: string,
  { uid, granted, store = STORE }: Trusted,
): Opening | undefined {
  if (granted !== undefined && `${granted}/`.startsWith(path === '/' ? path : `${path}/`)) return undefined;
  const status = host.status(path);
  if (!status) return undefined;
  if (status.uid !== uid) return { path, kind: 'owner', found: `${path} belongs to uid ${status.uid}` };
  if (status.kind === 'link' || (status.mode & 0o022) === 0) return undefined;
  if (path === store && (status.mode & 0o7777) === STORE_MODE) return undefined;
  return {
    path,
    kind: 'mode',
    found: `others than ${uid === 0 ? 'root' : 'its owner'} may write to ${path} (mode ${octal(status.mode)})`,
  };
}
