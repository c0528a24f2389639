import type { Host } from '../host/host.ts';
import { advice, command, type Hint } from '../hint.ts';
import { head, realPath } from './files.ts';
import { places } from './places.ts';

/** Bytes in which the lines are that install.sh fills in. */
const LAUNCHER = 4096;
/** Bytes in which the line of the hook is that names its parts. */
const FIRST_LINE = 256;

/** Whether a path leads to the launcher: it has a line that no other program has. */
export function isOurs(host: Host, path: string): boolean {
  return /^chosen_node=/m.test(head(host, path, LAUNCHER) ?? '');
}

/** The entries of qemu.d by path, in the order in which libvirt runs them: bytes, not letters. */
export function dropIns(host: Host): string[] {
  const names = [...(host.list(places.dropIns) ?? [])];
  return names.sort((a, b) => (a < b ? -1 : a > b ? 1 : 0)).map((name) => `${places.dropIns}/${name}`);
}

/** Where libvirt finds us: hooks/qemu, or an entry of qemu.d. In the order in which libvirt runs them. */
export function ourEntries(host: Host): string[] {
  return [places.hook, ...dropIns(host)].filter((path) => isOurs(host, path));
}

/** The launcher that libvirt runs, or else the command's; undefined when there is none. Links are followed. */
export function launcherOf(host: Host): string | undefined {
  return realPath(host, ourEntries(host)[0] ?? places.command);
}

/** Whether the program came in a package: then no install.sh is there to be run. */
export function isPackaged(host: Host): boolean {
  return host.status(places.package) !== undefined;
}

/** What makes the program libvirt's hook, and enables its unit, when its files are there. */
export function setUpAgain(host: Host): Hint {
  return command(isPackaged(host) ? `${places.maintainer} configure` : './install.sh');
}

/** What brings back files of the program. */
export function installAgain(host: Host): Hint {
  return isPackaged(host) ? advice('install the package vfio-hook again') : command('./install.sh');
}

/** What has the launcher take this Node.js; a package looks for one by itself. */
export function chooseNode(host: Host, path = '/usr/bin/node'): Hint {
  return isPackaged(host) ? installAgain(host) : command(`NODE=${path} ./install.sh`);
}

/** A path that install.sh wrote into a launcher; undefined when it is empty, as in one that was only built. */
export function writtenInto(
  host: Host,
  launcher: string,
  name: 'chosen_node' | 'program',
): string | undefined {
  const text = head(host, launcher, LAUNCHER) ?? '';
  const line = new RegExp(`^${name}='((?:[^'\\n]|'\\\\'')*)'`, 'm').exec(text)?.[1] ?? '';
  return line === '' ? undefined : line.replaceAll("'\\''", "'");
}

/** The hook that a launcher starts, and the directory of its parts (src/parts.ts), which its first line names. */
export function programOf(host: Host, launcher: string): { readonly hook: string; readonly parts?: string } {
  const hook = writtenInto(host, launcher, 'program') ?? `${directoryOf(launcher)}/hook.cjs`;
  const name = /^\/\/ parts: ([\w.+-]+)\n/.exec(head(host, hook, FIRST_LINE) ?? '')?.[1];
  return { hook, ...(name !== undefined && { parts: `${directoryOf(hook)}/${name}` }) };
}

function directoryOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/'));
}
