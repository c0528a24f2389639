import { errnoOf, VfioHookError } from '../errors.ts';
import { shellWord } from '../text.ts';

/** Whether this process may do everything. */
export function isRoot(): boolean {
  return process.geteuid?.() === 0;
}

/** Says that only root can do what was typed, and how to type it. `args` are what follows `vfio-hook`. */
export function needsRoot(args: readonly string[], cause?: unknown): VfioHookError {
  const words = args.map((word) => shellWord(word) ?? '…').join(' ');
  return new VfioHookError('VH_ROOT', `only root can do that: sudo vfio-hook ${words}`, { cause });
}

/** Whether an error is one that root would not have had; not for files that somebody named. */
export function isDenial(error: unknown): boolean {
  if (error instanceof VfioHookError && error.code === 'VH_FILE') return false;
  const errno = errnoOf(error);
  return errno === 'EACCES' || errno === 'EPERM';
}
