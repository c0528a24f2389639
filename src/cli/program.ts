import { spawn } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { constants as os } from 'node:os';
import { delimiter, join } from 'node:path';
import { errnoOf } from '../errors.ts';
import type { EndingSignal } from './signals.ts';

/** Exit statuses as env(1), timeout(1) and shells have them. */
export const programStatus = { ownFailure: 125, notExecutable: 126, notFound: 127 } as const;

/** How a program ended; `status` is what this process should end with. */
export type ProgramEnd =
  | { readonly kind: 'ended'; readonly status: number }
  | { readonly kind: 'not-started'; readonly status: number; readonly reason: string };

/** A program in the foreground. */
export interface RunningProgram {
  /** Undefined when it could not be started. */
  readonly pid: number | undefined;
  readonly ended: Promise<ProgramEnd>;
  /** Passes a signal on, if the program is still there. */
  readonly pass: (signal: EndingSignal) => void;
}

/** Why a program cannot be started, looked at before anything is changed for it; undefined when it seems it can. */
export function cannotStart(command: string, path = process.env['PATH'] ?? ''): ProgramEnd | undefined {
  const candidates = command.includes('/')
    ? [command]
    : path.split(delimiter).map((directory) => join(directory === '' ? '.' : directory, command));
  const there = candidates.filter(isFile);
  if (there.length === 0) return notStarted('ENOENT');
  return there.some(isExecutable) ? undefined : notStarted('EACCES');
}

/** Starts a program with our terminal, environment and directory. No shell is involved. */
export function startProgram(command: string, args: readonly string[]): RunningProgram {
  const child = spawn(command, args, { stdio: 'inherit' });
  const ended = new Promise<ProgramEnd>((resolve) => {
    child.on('error', (error) => {
      if (child.pid === undefined) resolve(notStarted(errnoOf(error) ?? error.message));
    });
    child.on('exit', (status, signal) => {
      resolve({ kind: 'ended', status: signal === null ? (status ?? 1) : signalStatus(signal) });
    });
  });
  return {
    pid: child.pid,
    ended,
    pass: (signal) => {
      child.kill(signal);
    },
  };
}

/** 128 and the number of the signal, as shells have it. */
export function signalStatus(signal: NodeJS.Signals): number {
  return 128 + os.signals[signal];
}

/** Not in a directory of PATH that is closed to us, which execvp(3) passes over, too. */
function isFile(file: string): boolean {
  try {
    return statSync(file).isFile();
  } catch {
    return false;
  }
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function notStarted(errno: string): ProgramEnd {
  const status = errno === 'ENOENT' ? programStatus.notFound : programStatus.notExecutable;
  return { kind: 'not-started', status, reason: errno };
}
