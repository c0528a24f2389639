import type { Host } from '../../src/host/host.ts';

/** What a fake host shows: texts of files, targets of links. Directories follow from the paths. */
export interface Shown {
  readonly files?: Readonly<Record<string, string>>;
  readonly links?: Readonly<Record<string, string>>;
  readonly bytes?: Readonly<Record<string, Uint8Array>>;
  /** Directories without anything in them. */
  readonly empty?: readonly string[];
  /** What ip(8) prints; absent: it does not tell. */
  readonly wideRoutes?: string;
  /** What opening a block device exclusively comes to; others are absent. */
  readonly exclusive?: Readonly<Record<string, 'free' | 'busy' | 'absent' | 'denied'>>;
}

/** A host that shows exactly this and refuses every write, for tests of code that only reads. */
export function fakeHost({
  files = {},
  links = {},
  bytes = {},
  empty = [],
  exclusive = {},
  wideRoutes,
}: Shown): Host {
  const paths = [
    ...Object.keys(files),
    ...Object.keys(links),
    ...Object.keys(bytes),
    ...empty.map((path) => `${path}/`),
  ];
  const refuse = (): never => {
    throw new Error('this host is for reading');
  };
  return {
    kind: 'simulated',
    read: (path) => files[path],
    readBytes: (path, length) => bytes[path]?.subarray(0, length),
    readLink: (path) => links[path],
    list: (path) => {
      const below = paths
        .filter((each) => each.startsWith(`${path}/`))
        .map((each) => each.slice(path.length + 1));
      if (below.length === 0) return undefined;
      return [...new Set(below.map((each) => each.split('/')[0] ?? '').filter((name) => name !== ''))].sort();
    },
    status: () => undefined,
    securityLabel: () => Promise.resolve(undefined),
    wideRoutes: () => Promise.resolve(wideRoutes),
    tryOpen: () => 'absent',
    openExclusive: (nodes) =>
      Promise.resolve({
        kind: 'opened',
        answers: new Map(nodes.map((node) => [node, exclusive[node] ?? 'absent'])),
      }),
    readLocked: (wanted) =>
      Promise.resolve({
        kind: 'read',
        texts: new Map(wanted.flatMap((path) => (files[path] === undefined ? [] : [[path, files[path]]]))),
      }),
    readSlow: (path) => {
      const shown = bytes[path] ?? (files[path] === undefined ? undefined : Buffer.from(files[path]));
      return Promise.resolve({ kind: 'read', ...(shown && { bytes: shown }) });
    },
    write: refuse,
    loadModule: refuse,
    run: refuse,
    tryProgram: () => Promise.resolve(undefined),
    holders: () => [],
    openFiles: () => ({ holders: [], unseen: [] }),
    libvirtDaemons: () => [],
    guestProcess: () => undefined,
    blockedWrites: () => [],
    isAlive: () => false,
    pause: () => Promise.resolve(),
    hasEnded: () => Promise.resolve(true),
    self: () => ({ pid: 1, startTime: 1 }),
    now: () => 0,
  };
}
