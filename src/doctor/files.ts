import type { FileStatus, Host } from '../host/host.ts';
import { escapeControl, shellWord } from '../text.ts';
import { PROGRAM_DIRECTORIES } from '../distribution.ts';

/** Links that Linux follows on the way to one file (MAXSYMLINKS, include/linux/namei.h). */
const MOST_LINKS = 40;

/** Where a path leads with every link followed, as realpath(3); undefined when it leads to nothing. */
export function realPath(host: Host, path: string): string | undefined {
  let ahead = path.split('/').filter((step) => step !== '' && step !== '.');
  let done: string[] = [];
  let links = 0;
  for (let step = ahead.shift(); step !== undefined; step = ahead.shift()) {
    if (step === '..') {
      done = done.slice(0, -1);
      continue;
    }
    const here = `/${[...done, step].join('/')}`;
    const target = linkTarget(host, here);
    if (target === undefined) {
      done = [...done, step];
      continue;
    }
    links += 1;
    if (links > MOST_LINKS) return undefined;
    if (target.startsWith('/')) done = [];
    ahead = [...target.split('/').filter((each) => each !== '' && each !== '.'), ...ahead];
  }
  const real = `/${done.join('/')}`;
  return host.status(real) === undefined ? undefined : real;
}

/** Where a link leads, as stored; undefined for what is no link. */
export function linkTarget(host: Host, path: string): string | undefined {
  return host.status(path)?.kind === 'link' ? host.readLink(path) : undefined;
}

/** The status of what a path leads to, links followed; undefined when it leads to nothing. */
export function target(
  host: Host,
  path: string,
): { readonly path: string; readonly status: FileStatus } | undefined {
  const real = realPath(host, path);
  const status = real === undefined ? undefined : host.status(real);
  return real !== undefined && status ? { path: real, status } : undefined;
}

/** Whether libvirt would run it: a regular file behind any links, with an x bit (src/util/virfile.c:virFileIsExecutable). */
export function isExecutable(status: FileStatus | undefined): boolean {
  return status?.kind === 'file' && (status.mode & 0o111) !== 0;
}

/** The first `bytes` of a text file; undefined when there is none, or when it is a directory. */
export function head(host: Host, path: string, bytes: number): string | undefined {
  if (target(host, path)?.status.kind !== 'file') return undefined;
  const read = host.readBytes(path, bytes);
  return read && new TextDecoder().decode(read);
}

/** Where the hook's children find a program; undefined where they do not. */
export function programPath(host: Host, name: string): string | undefined {
  return PROGRAM_DIRECTORIES.map((directory) => `${directory}/${name}`).find((path) =>
    isExecutable(target(host, path)?.status),
  );
}

/** A path in a command: a word of the shell. A name that cannot be shown is a pattern of its escaped form. */
export function word(path: string): string {
  return shellWord(path) ?? `'${escapeControl(path).replaceAll("'", '?')}'`;
}
