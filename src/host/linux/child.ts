import type { ChildProcess } from 'node:child_process';
import { childProcess } from '../../child-process.ts';
import { childEnvironment } from '../../child-environment.ts';
import { errnoOf } from '../../errors.ts';
import { notStarted } from '../../programs.ts';
import type { ProcessIdentity } from '../host.ts';
import { startTimeOf } from './processes.ts';

/** What came of a child process. What it had said by then comes with it in both cases. */
export type ChildResult =
  | {
      readonly kind: 'exited';
      /** -1 when a signal ended it. */
      readonly status: number;
      readonly stdout: string;
      readonly stderr: string;
    }
  | {
      readonly kind: 'stuck';
      readonly writer: ProcessIdentity;
      readonly stdout: string;
      readonly stderr: string;
    };

/** How a child is run. */
export interface ChildOptions {
  readonly input?: string;
  readonly deadlineMs: number;
  readonly environment?: NodeJS.ProcessEnv;
  /** `latin1` for bytes: one character each. */
  readonly encoding?: 'utf8' | 'latin1';
}

/** Text kept of a child's output, in characters: a line for each attribute of the largest hosts. */
const KEPT = 1024 * 1024;

/**
 * Runs a program that may wait in the kernel, where no signal ends it. It gets its own session, its own
 * pipes and nothing of ours, so that neither this process nor libvirt, which waits for the end of our output,
 * ever waits for it: past the deadline its pipes are closed and it is left alone, unkilled. What it was doing
 * may still take effect (drivers/base/bus.c:unbind_store waits for the device's lock first).
 * Arguments are passed as they are; no shell is involved.
 * Throws VH_INSTALLATION when there is no such program, VH_KERNEL when it cannot be started (EMFILE, EAGAIN, ENOMEM).
 */
export async function runBounded(
  command: string,
  args: readonly string[],
  options: ChildOptions,
): Promise<ChildResult> {
  const child = start(command, args, options);
  const streams = [child.stdin, child.stdout, child.stderr];
  return new Promise((resolve, reject) => {
    const identity = { pid: child.pid ?? -1, startTime: startTimeOf(child.pid ?? -1) ?? -1 };
    const said = { stdout: '', stderr: '' };
    const deadline = setTimeout(() => {
      child.removeAllListeners();
      for (const stream of streams) stream?.destroy();
      child.unref();
      resolve({ kind: 'stuck', writer: identity, ...said });
    }, options.deadlineMs);

    for (const name of ['stdout', 'stderr'] as const) {
      child[name]?.setEncoding(options.encoding ?? 'utf8').on('data', (text: string) => {
        if (said[name].length < KEPT) said[name] += text;
      });
    }
    child.on('error', (error) => {
      clearTimeout(deadline);
      reject(notStarted(command, errnoOf(error) ?? 'ENOENT', error));
    });
    child.on('close', (status) => {
      clearTimeout(deadline);
      resolve({ kind: 'exited', status: status ?? -1, ...said });
    });
    // The program may end without reading its input.
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(options.input ?? '');
  });
}

/** Without room for a process or its pipes Node throws, or returns a child without pipes and tells `error` later. */
function start(command: string, args: readonly string[], { environment }: ChildOptions): ChildProcess {
  try {
    return childProcess().spawn(command, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
      cwd: '/',
      env: { ...childEnvironment, ...environment },
    });
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === undefined) throw error;
    throw notStarted(command, errno, error);
  }
}
