import { spawn } from 'node:child_process';
import { childEnvironment } from '../../child-environment.ts';
import type { ProcessIdentity } from '../host.ts';
import { startTimeOf } from './processes.ts';

/** What came of a child process. */
export type ChildResult =
  | { readonly kind: 'exited'; readonly status: number; readonly stdout: string; readonly stderr: string }
  | { readonly kind: 'missing'; readonly command: string }
  | { readonly kind: 'stuck'; readonly writer: ProcessIdentity };

/** Text kept of a child's output, in characters. */
const KEPT = 65_536;

/**
 * Runs a program that may wait in the kernel, where no signal ends it. It gets its own session, its own
 * pipes and nothing of ours, so that neither this process nor libvirt, which waits for the end of our output,
 * ever waits for it: past the deadline its pipes are closed and it is left alone, unkilled. What it was doing
 * may still take effect (drivers/base/bus.c:unbind_store waits for the device's lock first).
 * Arguments are passed as they are; no shell is involved.
 */
export function runBounded(
  command: string,
  args: readonly string[],
  options: { readonly input?: string; readonly deadlineMs: number; readonly environment?: NodeJS.ProcessEnv },
): Promise<ChildResult> {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
      cwd: '/',
      env: { ...childEnvironment, ...options.environment },
    });
    const identity = { pid: child.pid ?? -1, startTime: startTimeOf(child.pid ?? -1) ?? -1 };
    let stdout = '';
    let stderr = '';
    const deadline = setTimeout(() => {
      child.removeAllListeners();
      for (const stream of [child.stdin, child.stdout, child.stderr]) stream.destroy();
      child.unref();
      resolve({ kind: 'stuck', writer: identity });
    }, options.deadlineMs);

    child.stdout.on('data', (data: Buffer) => {
      if (stdout.length < KEPT) stdout += data.toString();
    });
    child.stderr.on('data', (data: Buffer) => {
      if (stderr.length < KEPT) stderr += data.toString();
    });
    child.on('error', () => {
      clearTimeout(deadline);
      resolve({ kind: 'missing', command });
    });
    child.on('close', (status) => {
      clearTimeout(deadline);
      resolve({ kind: 'exited', status: status ?? -1, stdout, stderr });
    });
    // The program may end without reading its input.
    child.stdin.on('error', () => undefined);
    child.stdin.end(options.input ?? '');
  });
}
