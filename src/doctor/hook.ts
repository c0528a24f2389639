import type { Host } from '../host/host.ts';
import type { Check } from './examination.ts';
import { head, isExecutable, linkTarget, programPath, realPath, target, word } from './files.ts';
import { failure, ok, warning, type Found } from './finding.ts';
import { advice, command } from '../hint.ts';
import {
  dropIns,
  installAgain,
  isOurs,
  isPackaged,
  launcherOf,
  ourEntries,
  programOf,
  setUpAgain,
} from './installed.ts';
import { openingFor, type Opening } from '../host/only-root.ts';
import { octal } from '../text.ts';
import { places } from './places.ts';
import {
  install,
  options,
  packagesOf,
  programPlaces,
  unfitSentence,
  type OptionedProgram,
} from '../programs.ts';

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
        setUpAgain(host),
      );
    }
    if (status === undefined) return failure(`there is no ${places.hook}`, ...installFix(host));
    if (target(host, places.hook)?.status.kind === 'directory') {
      return failure(
        `${places.hook} is a directory, which libvirt does not enter`,
        command(`mv ${places.hook} ${places.hooks}/qemu.old`),
        setUpAgain(host),
      );
    }
    return failure(
      `${places.hook} is another hook, and nothing in ${places.dropIns} is vfio-hook`,
      setUpAgain(host),
      advice('the other hook is kept, and still runs'),
    );
  },
};

function installFix(host: Host): Found['fix'] {
  if (!isOurs(host, places.command)) return [installAgain(host)];
  if (isPackaged(host)) return [setUpAgain(host)];
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

/** What runs as root can be replaced by root only. */
export const hookOwner: Check = {
  title: 'owner and permissions of the hook',
  run: ({ host }) => {
    const launchers = [...ourEntries(host), places.command].filter(
      (path) => realPath(host, path) !== undefined,
    );
    const files = launchers.flatMap((path) => {
      const { hook, parts } = programOf(host, realPath(host, path) ?? path);
      const names = parts === undefined ? [] : (host.list(parts) ?? []);
      return [path, hook, ...names.map((name) => `${parts ?? ''}/${name}`)];
    });
    const openings = [places.hooks, places.dropIns, ...files].flatMap((path) => openingFor(host, path) ?? []);
    const findings = new Map(openings.map((opening) => [opening.path, replaceable(opening)]));
    return findings.size > 0 ? [...findings.values()] : ok('only root can replace it');
  },
};

function replaceable({ path, kind, found }: Opening): Found {
  return failure(
    `${found}: who can replace what is there runs anything as root`,
    command(kind === 'owner' ? `chown -h root:root ${word(path)}` : `chmod go-w ${word(path)}`),
  );
}

/** The files that a start needs (src/parts.ts). */
const PARTS = ['cli.cjs', 'config.cjs', 'domain.cjs', 'log.cjs'] as const;

/** The program has its parts. */
export const hookParts: Check = {
  title: 'parts of the program',
  run: ({ host }) => {
    const launcher = launcherOf(host);
    if (launcher === undefined) return ok('there is no program of ours to look at');
    const { hook, parts } = programOf(host, launcher);
    if (parts === undefined) {
      return failure(
        `${hook}, which ${launcher} starts, is not there or does not name its parts: guests with host devices cannot start`,
        installAgain(host),
      );
    }
    const there = host.list(parts) ?? [];
    const missing = PARTS.filter((part) => !there.includes(part));
    if (missing.length === 0) return ok(`${parts} has them`);
    return failure(
      `${parts} lacks ${missing.join(', ')}: guests with host devices cannot start`,
      installAgain(host),
    );
  },
};

/** What the hook and its launcher run, each from a directory of the system. */
const PROGRAMS = ['dd', 'env', 'flock', 'grep', 'head', 'modprobe', 'stat'] as const;

/** Those of them that must know options which a small userland's do not all have. */
const optioned = Object.keys(options) as readonly OptionedProgram[];

const NO_ROUTES = 'default routes in other tables than the main one are not seen';

/** Those without which guests start all the same, and what is lost without them, or with one that knows too little. */
const dispensable: ReadonlyMap<OptionedProgram, { readonly without: string; readonly unfit: string }> =
  new Map([
    [
      'logger',
      {
        without: 'lines go to /var/log/libvirt/vfio-hook.log and not to the journal',
        unfit: 'lines of the log are lost',
      },
    ],
    ['ip', { without: NO_ROUTES, unfit: NO_ROUTES }],
  ]);

/** Milliseconds that a program has to show its options. */
const ANSWER_MS = 5000;

/** The programs that do the writing are there, and know the options that they are given. */
export const programs: Check = {
  title: 'programs',
  run: async ({ host }) => {
    const missing = PROGRAMS.filter((name) => programPath(host, name) === undefined);
    if (missing.length > 0) {
      return failure(
        `missing in ${programPlaces()}: ${missing.join(', ')}`,
        advice(`install ${packagesOf(missing)}`),
      );
    }
    const findings: Found[] = [];
    for (const program of optioned) {
      const lost = dispensable.get(program);
      if (lost !== undefined && programPath(host, program) === undefined) {
        findings.push(warning(`there is no ${program}: ${lost.without}`, install(program)));
        continue;
      }
      const said = await host.tryProgram(program, ANSWER_MS);
      if (said === undefined) continue;
      const sentence = unfitSentence(program, said);
      findings.push(
        lost === undefined
          ? failure(sentence, install(program))
          : warning(`${sentence}: ${lost.unfit}`, install(program)),
      );
    }
    return findings.length > 0
      ? findings
      : ok(`${[...PROGRAMS, ...dispensable.keys()].join(', ')} are there`);
  },
};
