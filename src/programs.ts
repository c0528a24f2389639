import { VfioHookError } from './errors.ts';
import { systemFailure } from './failure.ts';
import { advice, type Hint } from './hint.ts';

/** The package that has each program which this one starts. */
export const packages: Readonly<Record<string, string>> = {
  dd: 'coreutils',
  stat: 'coreutils',
  grep: 'grep',
  modprobe: 'kmod',
  flock: 'util-linux',
  logger: 'bsdutils (Debian, Ubuntu) or util-linux',
};

/** The error of a program that could not be started, for this errno: without it VH_INSTALLATION with the package. */
export function notStarted(program: string, errno: string, cause?: unknown): VfioHookError {
  if (errno !== 'ENOENT' && errno !== 'EACCES')
    return systemFailure(`cannot start the program ${program}`, errno, { cause });
  return new VfioHookError(
    'VH_INSTALLATION',
    errno === 'ENOENT'
      ? `there is no program ${program} in /usr/sbin, /usr/bin, /sbin and /bin`
      : `the program ${program} may not be run: ${errno}`,
    { hints: [install(program)], cause },
  );
}

/** The error of a program that does not do what this one needs of it, as busybox's dd. `said` is what it says itself. */
export function unfit(program: string, need: string, said: string): VfioHookError {
  const words = said.trim().split('\n')[0] ?? '';
  return new VfioHookError(
    'VH_INSTALLATION',
    `the program ${program} of this host does not do what is needed (${need})${words === '' ? '' : `: ${words}`}`,
    { hints: [install(program)] },
  );
}

function install(program: string): Hint {
  return advice(`install the package ${packages[program] ?? program}`);
}
