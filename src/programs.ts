import { PROGRAM_DIRECTORIES } from './distribution.ts';
import { VfioHookError } from './errors.ts';
import { systemFailure } from './failure.ts';
import { advice, type Hint } from './hint.ts';

/** The package that has each program which this one or its launcher starts. */
const packages: Readonly<Record<string, string>> = {
  dd: 'coreutils',
  env: 'coreutils',
  head: 'coreutils',
  stat: 'coreutils',
  grep: 'grep',
  modprobe: 'kmod',
  flock: 'util-linux',
  logger: 'bsdutils (Debian, Ubuntu) or util-linux',
  ip: 'iproute2 (Debian, Ubuntu) or iproute',
  systemctl: 'systemd',
  rmmod: 'kmod',
  'nvidia-smi': 'that has the tools of NVIDIA’s driver (nvidia-smi, nvidia-utils)',
  'sriov-manage': 'that has NVIDIA’s vGPU host driver',
};

/**
 * The options with which programs are started, and which the programs of a small userland do not all have. What differs
 * from call to call is not among them.
 */
export const options = {
  /** One write(2) of what is on stdin, to a file that must be there. */
  dd: ['conv=nocreat,notrunc', 'status=none', 'bs=4096'],
  /** The first line of each file behind its name and a NUL, passed on at once. */
  grep: ['-a', '-H', '--null', '--line-buffered', '-m', '1', '-e', ''],
  /** Another status than usual when the lock is not to be had within the time. */
  flock: ['-x', '-E', '75'],
  /** A blacklist counts for the module itself. */
  modprobe: ['-b'],
  /** Lines with a priority in front, none of which is cut. */
  logger: ['--tag', 'vfio-hook', '--prio-prefix', '--size', '2KiB'],
  /** Answers as JSON to the questions on stdin. */
  ip: ['-4', '-json', '-batch', '-'],
} as const satisfies Readonly<Record<string, readonly string[]>>;

/** flock(1)'s status for "not within the time", by our own choice (-E). */
export const NOT_IN_TIME = Number(options.flock[2]);

/** A program that is started with options of its own. */
export type OptionedProgram = keyof typeof options;

/**
 * Programs that are run for what they do to the host (`Host.run`), and how each is started: by its name, from where a
 * distribution keeps its programs, or by a path that its vendor has chosen. Whoever may replace what lies there would be
 * root: see src/host/only-root.ts.
 */
export const acting = {
  ip: 'ip',
  systemctl: 'systemctl',
  rmmod: 'rmmod',
  'nvidia-smi': 'nvidia-smi',
  'sriov-manage': '/usr/lib/nvidia/sriov-manage',
} as const satisfies Readonly<Record<string, string>>;

/** A program that is run for what it does. */
export type ActingProgram = keyof typeof acting;

/** The packages that have these programs, each once: `coreutils, kmod`. */
export function packagesOf(programs: readonly string[]): string {
  return [...new Set(programs.map((program) => packages[program] ?? program))].join(', ');
}

/** In words: `/usr/sbin, /usr/bin, /sbin and /bin`. */
export function programPlaces(): string {
  return PROGRAM_DIRECTORIES.join(', ').replace(/, (\S+)$/, ' and $1');
}

/** The error of a program that could not be started, for this errno: without it VH_INSTALLATION with the package. */
export function notStarted(program: string, errno: string, cause?: unknown): VfioHookError {
  if (errno !== 'ENOENT' && errno !== 'EACCES')
    return systemFailure(`cannot start the program ${program}`, errno, { cause });
  const place = program.startsWith('/') ? '' : ` in ${programPlaces()}`;
  return new VfioHookError(
    'VH_INSTALLATION',
    errno === 'ENOENT'
      ? `there is no program ${program}${place}`
      : `the program ${program} may not be run: ${errno}`,
    { hints: [install(program.split('/').pop() ?? program)], cause },
  );
}

/** The error of a program that does not do what this one needs of it. `said` is what it says itself. */
export function unfit(program: OptionedProgram, said: string): VfioHookError {
  return new VfioHookError('VH_INSTALLATION', unfitSentence(program, said), { hints: [install(program)] });
}

/** The same as a sentence. */
export function unfitSentence(program: OptionedProgram, said: string): string {
  const words = said.trim().split('\n')[0] ?? '';
  const need = options[program].filter((option) => /^(?:-|conv|status|bs)/.test(option)).join(' ');
  return `the program ${program} of this host does not do what is needed (${need})${words === '' ? '' : `: ${words}`}`;
}

/** The error of a program that root must not run, since others can replace it. */
export function replaceable(program: string, found: string): VfioHookError {
  return new VfioHookError(
    'VH_INSTALLATION',
    `${program} is not run: somebody else than root can replace it: ${found}`,
    { hints: [advice('give it back to root, and take the right to write from all others')] },
  );
}

/** What to do about a program that is missing or unfit. */
export function install(program: string): Hint {
  return advice(`install the package ${packagesOf([program])}`);
}
