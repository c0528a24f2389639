/** The errors that this kernel answers with: name to number (include/uapi/asm-generic/errno*.h). */
const numbers = {
  EPERM: 1,
  ENOENT: 2,
  EIO: 5,
  ENXIO: 6,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EBUSY: 16,
  EEXIST: 17,
  ENODEV: 19,
  ENOTDIR: 20,
  EISDIR: 21,
  EINVAL: 22,
  EMFILE: 24,
  ENOTTY: 25,
  ENOSPC: 28,
  ERANGE: 34,
  EDEADLK: 35,
  ENOTSUPP: 524,
  EUSERS: 87,
  EOPNOTSUPP: 95,
  EADDRNOTAVAIL: 99,
  ECANCELED: 125,
  ETIMEDOUT: 110,
} as const;

export type Errno = keyof typeof numbers;

/** An error as Node makes it of a failed system call. */
export function errnoError(code: Errno, call: string, path: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: ${call} '${path}'`), {
    code,
    errno: -numbers[code],
    syscall: call,
    path,
  });
}
