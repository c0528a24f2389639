import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, readSync, truncateSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import {
  TERMINAL_ENVIRONMENT,
  codeOf,
  temporaryDirectory,
  type Ended,
  type Installation,
} from '../hook/compiled.ts';

const program = fileURLToPath(new URL('warm-process.cjs', import.meta.url));

/** Milliseconds after which a call counts as hanging, and the process is killed. */
const PATIENCE_MS = 20_000;

/** Runs calls of the command, and waits for each. */
export type WarmProcess = (args: readonly string[]) => Ended;

/**
 * The compiled command in a process that has loaded it and runs call after call: starting Node and loading the command is
 * nine tenths of what most calls cost. It is what the launcher starts, in the environment that it gives, with files for
 * output; what is left out is the launcher, and that each call begins in a fresh process: for a call that looks at when its process
 * began (a start that is younger than itself) there is `runAlone`. A call that ends the process, or
 * hangs, fails, and so do those after it.
 */
export function warmProcess(
  { command, directory: installed }: Installation,
  patience = PATIENCE_MS,
): WarmProcess {
  const directory = temporaryDirectory();
  const [out, err] = ['stdout', 'stderr'].map((name) => join(directory, name)) as [string, string];
  const [requests, statuses] = [pipe(join(directory, 'requests')), pipe(join(directory, 'statuses'))];
  const [, main = ''] = codeOf(join(installed, 'dist'));
  const given = [openSync(out, 'a'), openSync(err, 'a'), requests.out, statuses.in];
  spawn(process.execPath, [program, command, dirname(main), String(patience)], {
    cwd: '/',
    env: TERMINAL_ENVIRONMENT,
    stdio: ['ignore', ...given],
  }).unref();
  for (const file of given) closeSync(file);
  const bytes = Buffer.alloc(64);
  return (args) => {
    for (const path of [out, err]) truncateSync(path);
    writeSync(requests.in, `${JSON.stringify(args)}\n`);
    const count = readSync(statuses.out, bytes);
    const [stdout, stderr] = [out, err].map((path) => readFileSync(path, 'utf8')) as [string, string];
    assert.ok(count > 0, `the process ended in the middle of: vfio-hook ${args.join(' ')}\n${stderr}`);
    return { status: Number(bytes.toString('latin1', 0, count)), signal: null, stdout, stderr };
  };
}

/** A pipe whose ends are descriptors of this process: what reads it hears when whoever writes to it has ended. */
function pipe(path: string): { readonly in: number; readonly out: number } {
  execFileSync('mkfifo', [path]);
  // Neither end can be opened alone without waiting for the other.
  const both = openSync(path, 'r+');
  const ends = { in: openSync(path, 'w'), out: openSync(path, 'r') };
  closeSync(both);
  return ends;
}
