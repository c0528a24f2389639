import { VfioHookError } from '../../errors.ts';
import { readFailure } from '../../failure.ts';
import { advice } from '../../hint.ts';
import { NOT_IN_TIME } from '../../programs.ts';
import type { LockedRead, ProcessIdentity, SlowRead, WriteResult } from '../host.ts';
import { isAbsence } from '../reading.ts';
import { errnoFromMessage } from './errno-text.ts';
import { startTimeOf } from './processes.ts';
import { answersFrom, lineFrom, requestsTo, type Answer } from './side-pipes.ts';

/**
 * The shell that the launcher has started beside this process (hooks/side-shell.bash): it starts processes that may
 * wait in the kernel, and has the locks of this run, which end with it, and it with this process.
 *
 * Whatever comes to undefined was not done, since the shell cannot do it or is gone: then this process does it itself.
 */
export interface SideShell {
  /** As `Host.write`. */
  write(path: string, value: string, deadlineMs: number): Promise<WriteResult | undefined>;
  /** As `Host.readLocked`. */
  readLocked(paths: readonly string[], deadlineMs: number): Promise<LockedRead | undefined>;
  /** As `Host.readSlow`. */
  readSlow(path: string, length: number, deadlineMs: number): Promise<SlowRead | undefined>;
  /**
   * flock(2) on a file, for which it waits so long at most. What it returns gives the lock up. Throws VH_LOCK when the
   * shell has ended and with it the locks that it had.
   */
  lock(path: string, waitMs: number): (() => void) | 'busy' | undefined;
}

/** What the launcher calls the variable with the shell's process number. */
export const SIDE_SHELL_VARIABLE = 'VFIO_HOOK_SIDE_SHELL';

/** Pipes to and from a shell, by descriptors of this process. */
export interface SidePipes {
  readonly requests: number;
  readonly answers: number;
  /** Answers about locks. */
  readonly locks: number;
}

/** Those that the launcher makes. */
const PIPES: SidePipes = { requests: 4, answers: 5, locks: 7 };

/** The shell beside this process, if the launcher says that there is one. */
export function sideShell(environment: NodeJS.ProcessEnv): SideShell | undefined {
  const pid = Number(environment[SIDE_SHELL_VARIABLE]);
  return Number.isSafeInteger(pid) && pid > 0 ? shellAt(pid, PIPES) : undefined;
}

/** A shell with hooks/side-shell.bash at the other end of these pipes. */
export function shellAt(pid: number, pipes: SidePipes): SideShell {
  const ask = requestsTo(pipes.requests);
  const answers = answersFrom(pipes.answers);
  const locks = new Set<number>();

  /** Waits for answers until `take` returns a result, or the time is up. */
  const until = <Result>(
    number: number,
    deadlineMs: number,
    { take, late }: { take: (answer: Answer | undefined) => Result | undefined; late: () => Result },
  ): Promise<Result> =>
    new Promise((resolve) => {
      const end = (result: Result | undefined): void => {
        if (result === undefined) return;
        clearTimeout(deadline);
        answers.forget(number);
        resolve(result);
      };
      const deadline = setTimeout(() => {
        end(late());
      }, deadlineMs);
      answers.expect(number, (answer) => {
        end(take(answer));
      });
    });

  return {
    write: async (path, value, deadlineMs) => {
      const number = ask('write', path, value);
      if (number === undefined) return undefined;
      let writer: number | undefined;
      const end = await until<WriteResult | 'none'>(number, deadlineMs, {
        take: (answer) => {
          if (answer?.word === 'begun') {
            writer = Number(answer.text);
            return undefined;
          }
          if (answer?.word === 'written') return { kind: 'written' };
          // Whoever has begun and was killed may have written or not.
          if (!answer && writer === undefined) return 'none';
          return { kind: 'refused', errno: errnoFromMessage(answer?.text ?? '') };
        },
        late: () => ({ kind: 'stuck', writer: identityOf(writer ?? pid) }),
      });
      return end === 'none' ? undefined : end;
    },
    readLocked: async (paths, deadlineMs) => {
      if (paths.length === 0) return { kind: 'read', texts: new Map() };
      const number = ask('read', String(paths.length), ...paths);
      if (number === undefined) return undefined;
      const lines: Answer[] = [];
      const end = await until<'all' | 'none' | 'late'>(number, deadlineMs, {
        take: (answer) => {
          if (!answer) return 'none';
          return lines.push(answer) === paths.length ? 'all' : undefined;
        },
        late: () => 'late',
      });
      return end === 'none' ? undefined : textsOf(paths, lines);
    },
    readSlow: async (path, length, deadlineMs) => {
      const number = ask('bytes', String(length), path);
      if (number === undefined) return undefined;
      const answer = await until<Answer | 'none' | 'late'>(number, deadlineMs, {
        take: (each) => each ?? 'none',
        late: () => 'late',
      });
      if (answer === 'none') return undefined;
      if (answer === 'late') return { kind: 'stuck', path };
      const bytes = textOf(path, answer);
      return bytes === undefined ? { kind: 'read' } : { kind: 'read', bytes: bytesOf(bytes) };
    },
    lock: (path, waitMs) => {
      const number = ask('lock', path, String(Math.ceil(waitMs) / 1000));
      const status = number === undefined ? undefined : lineFrom(pipes.locks);
      if (number === undefined || status === undefined) {
        if (locks.size > 0) throw lost();
        return undefined;
      }
      const [, answer] = status.split(' ');
      if (Number(answer) === NOT_IN_TIME) return 'busy';
      if (answer !== '0') return undefined;
      locks.add(number);
      return () => {
        locks.delete(number);
        if (ask('unlock', String(number)) !== undefined) lineFrom(pipes.locks);
      };
    },
  };
}

/** The texts, in the order of the answers; the first file without one is the one that the shell's process waits for. */
function textsOf(paths: readonly string[], answers: readonly Answer[]): LockedRead {
  const texts = new Map<string, string>();
  for (const [index, path] of paths.entries()) {
    const answer = answers[index];
    if (!answer) return { kind: 'stuck', path };
    const text = textOf(path, answer);
    if (text !== undefined) texts.set(path, text);
  }
  return { kind: 'read', texts };
}

/** ` 86 80 02` */
function bytesOf(dump: string): Buffer {
  const digits = dump.split(' ').filter(Boolean);
  return Buffer.from(digits.map((each) => parseInt(each, 16)));
}

/** The text, or undefined for a file that is not there. Throws VH_KERNEL for one that cannot be read. */
function textOf(path: string, { word, text }: Answer): string | undefined {
  if (word !== 'failed') return text;
  if (text === '') throw new VfioHookError('VH_KERNEL', `cannot read ${path}: it is empty`, { path });
  const errno = errnoFromMessage(text);
  if (!isAbsence(errno)) throw readFailure(path, errno);
  return undefined;
}

function identityOf(pid: number): ProcessIdentity {
  return { pid, startTime: startTimeOf(pid) ?? -1 };
}

function lost(): VfioHookError {
  return new VfioHookError('VH_LOCK', 'the shell that had the locks of this run was killed', {
    hints: [advice('see what is left: vfio-hook status; then: vfio-hook recover')],
  });
}
