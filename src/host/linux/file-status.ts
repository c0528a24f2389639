import { lstatSync } from 'node:fs';
import type { FileStatus } from '../host.ts';
import { orAbsent } from '../reading.ts';
import { runBounded } from './child.ts';

/** What lstat(2) says; undefined when there is no such file. Throws VH_KERNEL otherwise. */
export function fileStatus(path: string): FileStatus | undefined {
  const stats = orAbsent(path, () => lstatSync(path, { throwIfNoEntry: false }));
  if (!stats) return undefined;
  return {
    kind: stats.isFile()
      ? 'file'
      : stats.isDirectory()
        ? 'directory'
        : stats.isSymbolicLink()
          ? 'link'
          : 'other',
    uid: stats.uid,
    gid: stats.gid,
    mode: stats.mode & 0o7777,
    changedMs: stats.ctimeMs,
  };
}

/**
 * The file's SELinux label. Node reads no extended attributes, so stat(1) of coreutils does; it says `?` where
 * there is none.
 */
export async function securityLabel(path: string, deadlineMs: number): Promise<string | undefined> {
  const result = await runBounded('stat', ['-L', '-c', '%C', '--', path], { deadlineMs });
  if (result.kind !== 'exited' || result.status !== 0) return undefined;
  const label = result.stdout.trim();
  return /^[\w.]+:[\w.]+:[\w.]+/.test(label) ? label : undefined;
}
