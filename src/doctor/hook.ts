import type { FileStatus, Host } from '../host/host.ts';
import type { Check } from './examination.ts';
import { head, isExecutable, linkTarget, octal, programPath, realPath, target, word } from './files.ts';
import { failure, ok, warning, type Found } from './finding.ts';
import { advice, command } from '../hint.ts';
import { places } from './places.ts';

/** Bytes in which the launcher's line `chosen_node=` is, of the compiled hook. */
const LAUNCHER = 4096;

/** Whether a path leads to the compiled hook: its launcher has a line that no other program has. */
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

/** libvirt has a hook that is us, or one that calls us. */
export const hookInstalled: Check = {
  title: 'hook installed',
  run: ({ host }) => {
    const [entry] = ourEntries(host);
    if (entry !== undefined) return ok(`${entry} leads to ${realPath(host, entry) ?? entry}`);
    const status = host.status(places.hook);
    const caller = [places.hook, ...dropIns(host)].find((path) =>
      /\bvfio-hook\b/.test(head(host, path, 65_536) ?? ''),
    );
    if (caller !== undefined) return ok(`${caller} is another hook, which calls vfio-hook`);
    const dangling = [places.hook, ...dropIns(host)].find(
      (path) => (linkTarget(host, path) ?? '').endsWith('vfio-hook') && realPath(host, path) === undefined,
    );
    if (dangling !== undefined) {
      return failure(
        `${dangling} is a link to ${linkTarget(host, dangling) ?? ''}, which is not there`,
        command('./install.sh'),
      );
    }
    if (status === undefined) return failure(`there is no ${places.hook}`, ...installFix(host));
    if (target(host, places.hook)?.status.kind === 'directory') {
      return failure(
        `${places.hook} is a directory, which libvirt does not enter`,
        command(`mv ${places.hook} ${places.hooks}/qemu.old`),
        command('./install.sh'),
      );
    }
    return failure(
      `${places.hook} is another hook, and nothing in ${places.dropIns} is vfio-hook`,
      command('./install.sh'),
      advice('install.sh keeps the other hook, which still runs'),
    );
  },
};

function installFix(host: Host): Found['fix'] {
  if (!isOurs(host, places.command)) return [command('./install.sh')];
  return [
    command(`mkdir -p ${places.hooks}`),
    command(`ln -s ${places.command} ${places.hook}`),
    command('systemctl reload libvirtd.service || systemctl reload virtqemud.service'),
  ];
}

/** libvirt leaves out a hook that is not executable, in silence, and starts the guest. */
export const hookExecutable: Check = {
  title: 'hook executable',
  run: ({ host }) => {
    const entries = ourEntries(host);
    if (entries.length === 0) return ok('there is no hook of ours to look at');
    for (const entry of entries) {
      const found = target(host, entry);
      if (!found || isExecutable(found.status)) continue;
      return failure(
        `${found.path} is not executable (mode ${octal(found.status.mode)}): libvirt leaves it out in silence, and guests start without it`,
        command(`chmod 755 ${word(found.path)}`),
      );
    }
    return ok(`${entries.join(' and ')}: yes`);
  },
};

/** What runs as root can be written by root only. */
export const hookOwner: Check = {
  title: 'owner and permissions of the hook',
  run: ({ host }) => {
    const entries = ourEntries(host);
    const programs = [...new Set([...entries, places.command].flatMap((path) => realPath(host, path) ?? []))];
    const paths = [
      places.hooks,
      places.dropIns,
      ...programs.flatMap((path) => [path, directoryOf(path), ...partsIn(host, partsDirectory(path))]),
    ];
    const findings = [...new Set(paths)].flatMap((path) => writable(path, target(host, path)?.status));
    return findings.length > 0 ? findings : ok('only root can write to it');
  },
};

function writable(path: string, status: FileStatus | undefined): Found[] {
  if (!status) return [];
  if (status.uid !== 0) {
    return [
      failure(
        `${path} belongs to uid ${status.uid}: that user can run anything as root`,
        command(`chown root:root ${word(path)}`),
      ),
    ];
  }
  // The group root is root alone; a directory with the sticky bit keeps others' hands off.
  const others = (status.mode & 0o002) !== 0 && (status.mode & 0o1000) === 0;
  const group = (status.mode & 0o020) !== 0 && status.gid !== 0;
  if (!others && !group) return [];
  return [
    failure(
      `${others ? 'everybody' : `group ${status.gid}`} may write to ${path} (mode ${octal(status.mode)}), which runs as root`,
      command(`chmod go-w ${word(path)}`),
    ),
  ];
}

/** The files beside the program that a start needs (src/parts.ts). */
const PARTS = ['cli.cjs', 'config.cjs', 'domain.cjs', 'log.cjs'] as const;

/** The program has its parts. */
export const hookParts: Check = {
  title: 'parts of the program',
  run: ({ host }) => {
    const program =
      ourEntries(host).map((entry) => realPath(host, entry))[0] ?? realPath(host, places.command);
    if (program === undefined) return ok('there is no program of ours to look at');
    const directory = partsDirectory(program);
    const there = host.list(directory) ?? [];
    const missing = PARTS.filter((part) => !there.includes(part));
    if (missing.length === 0) return ok(`${directory} has them`);
    return failure(
      `${directory} lacks ${missing.join(', ')}: guests with host devices cannot start`,
      command('./install.sh'),
    );
  },
};

function directoryOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/')) || '/';
}

/** As src/parts.ts has it. */
function partsDirectory(program: string): string {
  const here = directoryOf(program);
  if (here.endsWith('/dist')) return here;
  return `${directoryOf(here) === '/' ? '' : directoryOf(here)}/lib/vfio-hook`;
}

function partsIn(host: Host, directory: string): string[] {
  const names = (host.list(directory) ?? []).filter((name) => name.endsWith('.cjs'));
  return names.length === 0 ? [] : [directory, ...names.map((name) => `${directory}/${name}`)];
}

/** What the hook and its launcher run, each from a directory of the system. */
const PROGRAMS = ['dd', 'grep', 'head', 'flock', 'modprobe'] as const;

/** The programs that do the writing are there. */
export const programs: Check = {
  title: 'programs',
  run: ({ host }) => {
    const missing = PROGRAMS.filter((name) => programPath(host, name) === undefined);
    if (missing.length > 0) {
      return failure(
        `missing in /usr/sbin, /usr/bin, /sbin and /bin: ${missing.join(', ')}`,
        advice('install coreutils, grep, util-linux and kmod'),
      );
    }
    if (programPath(host, 'logger') === undefined) {
      return warning(
        'there is no logger: lines go to /var/log/libvirt/vfio-hook.log and not to the journal',
        advice('install util-linux or bsdutils'),
      );
    }
    return ok(`${PROGRAMS.join(', ')} and logger are there`);
  },
};
