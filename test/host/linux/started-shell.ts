import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { closeSync, constants, openSync, readFileSync } from 'node:fs';
import { once } from 'node:events';
import { join } from 'node:path';
import type { SidePipes } from '../../../src/host/linux/side-shell.ts';

/** A shell as the launcher starts it, with pipes to this process. */
export interface StartedShell {
  readonly process: ChildProcess;
  readonly pid: number;
  readonly pipes: SidePipes;
  /** Closes the pipes; resolves when the shell has ended. */
  readonly end: () => Promise<void>;
}

const script = readFileSync(new URL('../../../hooks/side-shell.bash', import.meta.url), 'utf8');

/** What the launcher starts it with. */
export const shellArguments = ['--norc', '-p', '-c', script, 'vfio-hook-side-shell'];

/**
 * Starts hooks/side-shell.bash as the launcher does. `directory` is for its pipes, which have names here. `unref`: this
 * process need not wait for its end.
 */
export function startShell(directory: string, how?: 'unref'): StartedShell {
  const pipe = (name: string): { readonly read: number; readonly write: number } => {
    const path = join(directory, name);
    execFileSync('mkfifo', [path]);
    // Both ends at once: with one alone, open(2) would wait for the other.
    const both = openSync(path, constants.O_RDWR);
    const ends = { read: openSync(path, constants.O_RDONLY), write: openSync(path, constants.O_WRONLY) };
    closeSync(both);
    return ends;
  };
  const [requests, answers, locks] = [pipe('requests'), pipe('answers'), pipe('locks')];
  const process = spawn('bash', shellArguments, {
    stdio: [requests.read, answers.write, 'ignore', locks.write],
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' },
  });
  for (const fd of [requests.read, answers.write, locks.write]) closeSync(fd);
  if (how === 'unref') process.unref();
  const ended = once(process, 'close');
  let isOpen = true;
  return {
    process,
    pid: process.pid ?? -1,
    pipes: { requests: requests.write, answers: answers.read, locks: locks.read },
    end: async () => {
      if (isOpen) for (const fd of [requests.write, answers.read, locks.read]) closeSync(fd);
      isOpen = false;
      await ended;
    },
  };
}
