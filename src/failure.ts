import { errnoPhrase } from './errno.ts';
import { errnoOf, VfioHookError } from './errors.ts';
import { advice } from './hint.ts';

/**
 * What a failed system call is for people, in place of Node's text: `cannot read /sys/…: EIO (input/output error)`,
 * with VH_KERNEL, the path and the errno. An error of this program is returned as it is; undefined for anything
 * else, which is a fault of this program.
 */
export function asFailure(error: unknown): VfioHookError | undefined {
  if (error instanceof VfioHookError) return error;
  const errno = errnoOf(error);
  if (errno === undefined) return undefined;
  const { path, syscall } = error as { readonly path?: unknown; readonly syscall?: unknown };
  const starts = typeof syscall === 'string' && syscall.startsWith('spawn');
  const what = typeof path === 'string' ? path : starts ? 'a program' : 'a file';
  return systemFailure(`cannot ${starts ? 'start' : 'use'} ${what}`, errno, {
    cause: error,
    ...(typeof path === 'string' && { path }),
  });
}

/** The error of a file that is there and cannot be read. */
export function readFailure(path: string, errno: string, cause?: unknown): VfioHookError {
  return systemFailure(`cannot read ${path}`, errno, { path, cause });
}

/** The error of a system call, with what can be done about its errno. */
export function systemFailure(
  sentence: string,
  errno: string,
  facts: { readonly path?: string; readonly cause?: unknown },
): VfioHookError {
  const remedy = Object.hasOwn(remedies, errno) ? remedies[errno] : undefined;
  return new VfioHookError('VH_KERNEL', `${sentence}: ${errnoPhrase(errno)}`, {
    ...facts,
    errno,
    hints: remedy === undefined ? [] : [advice(remedy)],
  });
}

const FORBIDDEN = 'run it as root; what root may not do either, AppArmor or SELinux forbids: dmesg | tail';

const remedies: Readonly<Record<string, string>> = {
  EACCES: FORBIDDEN,
  EPERM: FORBIDDEN,
  EIO: 'see what the kernel says about it: dmesg | tail',
  EMFILE: 'raise the limit of open files: LimitNOFILE= in the unit of libvirt',
  ENFILE: 'too many files are open on this host: raise fs.file-max',
  ENOMEM: 'the host is out of memory: free -m',
};
