import { count } from '../count.ts';
import { errnoOf } from '../errors.ts';
import { advice, command } from '../hint.ts';
import type { Host } from '../host/host.ts';
import { openingFor } from '../host/only-root.ts';
import { BETWEEN, libvirtMoments } from '../script-places.ts';
import { octal, quoteName } from '../text.ts';
import type { Check, Examination } from './examination.ts';
import { head, isExecutable, target, word } from './files.ts';
import { about, failure, ok, warning, type Found } from './finding.ts';
import { dropIns } from './installed.ts';
import { places } from './places.ts';

/** Scripts looked at, and bytes of each: its first line. */
const MOST_SCRIPTS = 200;
const FIRST_BYTES = 256;

/** What editors and package managers leave behind, and what is run all the same. */
const LEFT_BEHIND = /~$|\.(?:bak|old|orig|save|swp|rpmnew|rpmsave|dpkg-\w+)$/;
/** Files that somebody means to be run. */
const SCRIPT_NAME = /\.(?:sh|bash|zsh|py|pl|rb)$/;

/** The tree of scripts is one that libvirt's calls lead to, and what is in it runs. */
export const guestScripts: Check = {
  title: 'scripts of guests',
  run: (on) => {
    const { host } = on;
    const guests = dropIns(host).filter((path) => target(host, path)?.status.kind === 'directory');
    const scripts = guests.flatMap((path) => scriptsOf(host, path)).slice(0, MOST_SCRIPTS);
    const known = guestNames(on);
    const findings = [
      ...guests.flatMap((path) => strangers(path, known)),
      ...guests.flatMap((path) => misplaced(host, path)),
      ...scripts.flatMap((path) => wrongWith(host, path)),
    ];
    if (findings.length > 0) return findings;
    return ok(scripts.length === 0 ? 'none' : `${count(scripts.length, 'script')}, each as it should be`);
  },
};

/** Undefined where it cannot be told. */
function guestNames(on: Examination): readonly string[] | undefined {
  try {
    return on.guests().map(({ name }) => name);
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return undefined;
  }
}

function strangers(path: string, known: readonly string[] | undefined): Found[] {
  const name = path.slice(places.dropIns.length + 1);
  if (known?.includes(name) !== false) return [];
  const near = known.find((each) => each.toLowerCase() === name.toLowerCase());
  return [
    about(
      path,
      warning(
        `libvirt has no guest ${quoteName(name)}: nothing in it runs`,
        near === undefined
          ? advice(
              `the directory is called as the guest is, letter by letter: ${known.map(quoteName).join(', ') || 'there is none'}`,
            )
          : command(`mv ${word(path)} ${word(`${places.dropIns}/${near}`)}`),
      ),
    ),
  ];
}

const MOMENTS = Object.entries(libvirtMoments).map(([operation, sub]) => `${operation}/${sub}`);

/** What lies where no call of libvirt leads. */
function misplaced(host: Host, guest: string): Found[] {
  return below(host, guest).flatMap((path): Found[] => {
    const operation = nameOf(path);
    const isDirectory = target(host, path)?.status.kind === 'directory';
    const inside = isDirectory ? below(host, path) : [];
    if (!Object.hasOwn(libvirtMoments, operation)) {
      const swapped = inside.map(nameOf).find((name) => Object.hasOwn(libvirtMoments, name));
      if (swapped !== undefined) {
        return [
          never(
            path,
            `${operation}/${swapped} is the wrong way round: libvirt calls ${swapped}/${subOf(swapped)}`,
          ),
        ];
      }
      if (!isDirectory && !isExecutable(target(host, path)?.status)) return [];
      return [never(path, `libvirt calls nothing by the name ${quoteName(operation)}`)];
    }
    if (!isDirectory) {
      return [never(path, `it is no directory: scripts go into ${operation}/${subOf(operation)}`)];
    }
    return inside.flatMap((each): Found[] => {
      const sub = nameOf(each);
      const isOurs = operation === BETWEEN[0] && sub === BETWEEN[1];
      if (sub === subOf(operation) || isOurs) return [];
      const status = target(host, each)?.status;
      if (status?.kind === 'file' && !isExecutable(status)) return [];
      return [never(each, `libvirt calls ${operation}/${subOf(operation)}, and never ${operation}/${sub}`)];
    });
  });
}

function never(path: string, reason: string): Found {
  return about(
    path,
    warning(
      `nothing in it runs: ${reason}`,
      advice(`there are ${MOMENTS.join(', ')}; see guides/scripts.md`),
    ),
  );
}

function subOf(operation: string): string {
  return new Map<string, string>(Object.entries(libvirtMoments)).get(operation) ?? '-';
}

/** Files where a call of libvirt, or a rule, finds scripts. */
function scriptsOf(host: Host, guest: string): string[] {
  const places = [...MOMENTS, BETWEEN.join('/')].map((moment) => `${guest}/${moment}`);
  return places.flatMap((place) => {
    const kind = target(host, place)?.status.kind;
    if (kind === 'file') return [place];
    return kind === 'directory'
      ? below(host, place).filter((path) => target(host, path)?.status.kind === 'file')
      : [];
  });
}

function wrongWith(host: Host, path: string): Found[] {
  const found = target(host, path);
  if (!found) return [];
  const first = (head(host, path, FIRST_BYTES) ?? '').split('\n')[0] ?? '';
  const own = word(path);
  if (!isExecutable(found.status)) {
    if (!first.startsWith('#!') && !SCRIPT_NAME.test(path)) return [];
    return [
      about(
        path,
        warning(
          `it is not executable (mode ${octal(found.status.mode)}): it is left out in silence`,
          command(`chmod 755 ${own}`),
        ),
      ),
    ];
  }
  if (LEFT_BEHIND.test(path)) {
    return [
      about(
        path,
        warning('it runs too: it looks like a copy that was left behind', command(`chmod a-x ${own}`)),
      ),
    ];
  }
  const opening = openingFor(host, path);
  if (opening) {
    const repair = opening.kind === 'owner' ? 'chown -h root:root' : 'chmod go-w';
    return [
      about(
        path,
        failure(
          `it is refused, and the call with it: ${opening.found}`,
          command(`${repair} ${word(opening.path)}`),
        ),
      ),
    ];
  }
  if (first.startsWith('#!') && first.endsWith('\r')) {
    return [
      about(
        path,
        failure(
          'its lines end as those of Windows do: the kernel looks for a program whose name ends in a carriage return, and the call fails',
          command(`sed -i 's/\\r$//' ${own}`),
        ),
      ),
    ];
  }
  if (first.startsWith('#!') || first.startsWith('\u007fELF')) return [];
  return [
    about(
      path,
      warning(
        'its first line does not say what runs it (#!): sh does, whatever it is written for',
        advice('begin it with #!/bin/bash or #!/bin/sh'),
      ),
    ),
  ];
}

function below(host: Host, path: string): string[] {
  const real = target(host, path);
  return (real ? (host.list(real.path) ?? []) : []).map((name) => `${path}/${name}`);
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
