import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { delimiter, join } from 'node:path';
import {
  callHook,
  choose,
  directoryOfPrograms,
  install,
  temporaryDirectory,
  type CallOptions,
  type Ended,
} from '../hook/compiled.ts';

/** A shell: the program, and what comes before the path of a script. */
export type Shell = readonly [program: string, ...args: string[]];

/** The shells of this machine that a distribution may have for /bin/sh. bash, called sh, is strict about POSIX. */
export const shells: readonly Shell[] = [
  ...which('dash').map((path): Shell => [path]),
  ...which('bash').flatMap((path): Shell[] => [[path], [named('sh', path)]]),
  ...which('busybox').map((path): Shell => [path, 'sh']),
];

function which(name: string): string[] {
  const directories = (process.env['PATH'] ?? '').split(delimiter);
  return directories
    .map((directory) => join(directory, name))
    .filter(existsSync)
    .slice(0, 1);
}

function named(name: string, program: string): string {
  const link = join(temporaryDirectory(), name);
  symlinkSync(program, link);
  return link;
}

/** The built file with a Node that only takes notes, and with a directory of claims of its own. */
export interface Launcher {
  readonly hook: string;
  readonly command: string;
  /** What Node is started with. */
  readonly program: string;
  /** The chosen Node, a script. */
  readonly node: string;
  /** Where it looks for Node after the chosen one: nothing is there. */
  readonly absentNode: string;
  /** Where it looks next. */
  readonly listedNode: string;
  readonly claims: string;
  /** Where files of guests are. */
  readonly domains: string;
  /** Where the devices of the host are. */
  readonly devices: string;
  /** Calls the hook, through another shell when one is given. */
  call(args: readonly string[], options?: CallOptions & { readonly shell?: Shell }): Launched;
}

/** A call, and what Node was given when it was started. */
export interface Launched extends Ended {
  readonly node?: Notes | undefined;
}

export interface Notes {
  /** Arguments of Node: the program's path, the name by which it was called, then those of the call. */
  readonly args: readonly string[];
  readonly stdin: Buffer;
  readonly env: string;
}

/** Where a launcher finds Node. */
export interface LauncherOptions {
  /** False: the installer chose none. */
  readonly chosen?: boolean;
  /** Whether the first place of the fixed list has it. */
  readonly listed?: boolean;
  /** Whether it is called as libvirt's own hook, and not as one of several. */
  readonly alone?: boolean;
}

const FIXED = '/usr/bin/node /usr/bin/nodejs /bin/node /usr/local/bin/node';

/** How it asks whether it is. */
const AS_HOOK = '[ "$0" = /etc/libvirt/hooks/qemu ]';

/** Makes one. */
export function launcher({ chosen = true, listed = false, alone = false }: LauncherOptions = {}): Launcher {
  const work = temporaryDirectory();
  // Everybody may write here: a call may be another user's.
  chmodSync(work, 0o777);
  const notes = join(work, 'notes');
  const programs = directoryOfPrograms();
  const node = join(programs, 'a node');
  mkdirSync(notes);
  chmodSync(notes, 0o777);
  const script = `#!/bin/sh\nprintf '%s\\0' "$@" >'${notes}/args'\nenv >'${notes}/env'\ncat >'${notes}/stdin' 2>&1 || :\n`;
  writeFileSync(node, script, { mode: 0o755 });
  const absentNode = join(work, 'absent');
  const claims = join(work, 'claims');
  const domains = join(work, 'domains');
  const devices = join(work, 'devices');
  const list = join(programs, 'listed-node');
  if (listed) writeFileSync(list, script, { mode: 0o755 });
  const { hook, command, program, directory } = install({
    launcher: (text) => {
      if (
        !text.includes(` ${FIXED};`) ||
        !text.includes('/run/vfio-hook/claims/') ||
        !text.includes('/etc/vfio-hook/domains/') ||
        !text.includes('/sys/bus/pci/devices/') ||
        !text.includes(AS_HOOK)
      )
        throw new Error('the launcher has other paths than this test replaces');
      return choose(chosen ? node : '')(text)
        .replace(FIXED, `${absentNode} ${list}`)
        .replace(AS_HOOK, alone ? '[ "$0" = "$0" ]' : AS_HOOK)
        .replaceAll('/run/vfio-hook/claims/', `${claims}/`)
        .replaceAll('/etc/vfio-hook/domains/', `${domains}/`)
        .replaceAll('/sys/bus/pci/devices/', `${devices}/`);
    },
  });
  chmodSync(directory, 0o755);
  return {
    hook,
    command,
    program,
    node,
    absentNode,
    listedNode: list,
    claims,
    domains,
    devices,
    call: (args, { shell, ...options } = {}) => {
      for (const name of readdirSync(notes)) rmSync(join(notes, name));
      const called = options.program ?? hook;
      const [shellProgram, ...before] = shell ?? [];
      const ended = callHook(shellProgram === undefined ? args : [...before, called, ...args], {
        ...options,
        program: shellProgram ?? called,
      });
      return { ...ended, node: read(notes) };
    },
  };
}

function read(notes: string): Notes | undefined {
  if (!existsSync(join(notes, 'args'))) return undefined;
  return {
    args: readFileSync(join(notes, 'args'), 'utf8').split('\0').slice(0, -1),
    stdin: readFileSync(join(notes, 'stdin')),
    env: readFileSync(join(notes, 'env'), 'utf8'),
  };
}
