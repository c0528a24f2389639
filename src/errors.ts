import type { Hint } from './hint.ts';

/** Every code that a {@link VfioHookError} may carry; docs/errors.md explains each one. */
export type ErrorCode =
  | 'VH_USAGE'
  | 'VH_FILE'
  | 'VH_ROOT'
  | 'VH_XML'
  | 'VH_CONFIG'
  | 'VH_NO_IOMMU'
  | 'VH_NO_DEVICE'
  | 'VH_REFUSED'
  | 'VH_BUSY'
  | 'VH_CLAIM'
  | 'VH_LOCK'
  | 'VH_KERNEL'
  | 'VH_STUCK'
  | 'VH_INCOMPLETE'
  | 'VH_INSTALLATION'
  | 'VH_SCRIPT'
  | 'VH_INTERNAL';

/** What a {@link VfioHookError} is about, besides its sentence. */
export interface ErrorFacts {
  /** What to do about it, one sentence or command a line; printed as `vfio-hook: hint: …`. */
  readonly hints?: readonly Hint[];
  /** Address of the device concerned, `dddd:bb:ss.f`. */
  readonly device?: string;
  /** File or attribute concerned. */
  readonly path?: string;
  /** The kernel's answer by name, such as `EBUSY`. */
  readonly errno?: string;
  readonly cause?: unknown;
}

/**
 * The one error class. The message is one line, lower case, without a final period, and says what could not
 * be done, to which object, because of what. Whoever catches it at the border prints it; nobody else does.
 */
export class VfioHookError extends Error {
  readonly code: ErrorCode;
  readonly hints: readonly Hint[];
  readonly device: string | undefined;
  readonly path: string | undefined;
  readonly errno: string | undefined;

  constructor(code: ErrorCode, message: string, facts: ErrorFacts = {}) {
    super(message, { cause: facts.cause });
    this.name = 'VfioHookError';
    this.code = code;
    this.hints = facts.hints ?? [];
    this.device = facts.device;
    this.path = facts.path;
    this.errno = facts.errno;
  }

  /** Each part of the compiled program is a bundle with a copy of this class: an error of another part is one, too. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    return value instanceof Error && value.name === 'VfioHookError';
  }
}

/** The errno name of a failed system call (`ENOENT`, …), or undefined when `error` is none. */
export function errnoOf(error: unknown): string | undefined {
  if (error instanceof VfioHookError) return error.errno;
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' && /^E[A-Z\d]+$/.test(error.code) ? error.code : undefined;
}
