import { spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import path from 'node:path';

import { LabError } from './lab-error.ts';

/** How a tool is run. */
export interface CommandOptions {
  readonly cwd?: string;
  /** Added to the environment of this process. */
  readonly env?: Readonly<Record<string, string>>;
}

/**
 * Runs a tool to its end, its output into `log`.
 * @throws LabError with the last lines of the output when the tool fails or is missing
 */
export function run(
  log: string,
  program: string,
  args: readonly string[],
  options: CommandOptions = {},
): void {
  mkdirSync(path.dirname(log), { recursive: true });
  const output = openSync(log, 'a');
  const result = spawnSync(program, args, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: ['ignore', output, output],
  });
  closeSync(output);
  if (result.status === 0) return;
  const cause = result.error?.message ?? `exit status ${result.status ?? `signal ${String(result.signal)}`}`;
  const last = readFileSync(log, 'utf8').trimEnd().split('\n').slice(-8).join('\n  ');
  throw new LabError(`${program} failed: ${cause}; the end of ${log}:\n  ${last}`);
}

/**
 * Runs a tool and gives what it prints on standard output.
 * @throws LabError with what it printed on standard error when the tool fails or is missing
 */
export function capture(program: string, args: readonly string[], options: CommandOptions = {}): string {
  const result = spawnSync(program, args, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  if (result.status === 0) return result.stdout;
  throw new LabError(`${program} failed: ${result.error?.message ?? result.stderr.trim()}`);
}

/** Whether a program of this name is found on PATH. */
export function isInstalled(program: string): boolean {
  return spawnSync('sh', ['-c', 'command -v "$1"', 'sh', program], { stdio: 'ignore' }).status === 0;
}
