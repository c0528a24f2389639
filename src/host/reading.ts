import { errnoOf } from '../errors.ts';
import { readFailure } from '../failure.ts';
import type { Opening } from './host.ts';

/*
 * What an errno says of a file: the same on the real host and on a simulated one.
 */

/**
 * What says that a file is not there: ENOENT, ENOTDIR, and ENODEV for an attribute whose device was removed after the
 * file was opened (fs/kernfs/file.c). Every other answer says nothing about whether it is there.
 */
const ABSENT: readonly string[] = ['ENOENT', 'ENOTDIR', 'ENODEV'];

/** What says that there is no such device: no node, or a node that nothing is behind any more. */
const NO_DEVICE: readonly string[] = [...ABSENT, 'ENXIO'];

/** Whether an errno says that the file is not there. */
export function isAbsence(errno: string): boolean {
  return ABSENT.includes(errno);
}

/** Throws VH_KERNEL unless a failed look says that the file is not there, by its errno or by `also`. */
export function mustBeAbsence(path: string, error: unknown, also?: string): void {
  const errno = errnoOf(error);
  if (errno === undefined) throw error;
  if (!isAbsence(errno) && errno !== also) throw readFailure(path, errno, error);
}

/**
 * What a look at a file comes to; undefined when it is not there, or for the errno `also`. Throws VH_KERNEL with the
 * path and the errno when the look fails.
 */
export function orAbsent<T>(path: string, look: () => T, also?: string): T | undefined {
  try {
    return look();
  } catch (error) {
    mustBeAbsence(path, error, also);
    return undefined;
  }
}

/** What it means that a device node could not be opened. Throws VH_KERNEL for what says nothing about the device. */
export function openingAfter(path: string, error: unknown): Opening {
  const errno = errnoOf(error);
  if (errno === undefined) throw error;
  if (errno === 'EBUSY') return 'busy';
  if (errno === 'EACCES' || errno === 'EPERM') return 'denied';
  if (NO_DEVICE.includes(errno)) return 'absent';
  throw readFailure(path, errno, error);
}

/** The same for a block device that was to be opened exclusively: what is not known counts as denied. */
export function exclusiveAfter(errno: string): Opening {
  if (errno === 'EBUSY') return 'busy';
  return NO_DEVICE.includes(errno) ? 'absent' : 'denied';
}
