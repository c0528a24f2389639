import { spawn, type ChildProcess, type SpawnOptions } from 'node:child_process';
import { chmodSync, copyFileSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { stateDirectory } from '../../scenario.ts';
import { until } from '../../until.ts';

/** Programs that run until the test is over, and a directory that is gone then. */
export interface Running {
  /** Absolute path of a fresh directory that every user can enter. */
  readonly directory: () => string;
  /** Runs a program until the test is over; its pid, once it is that program with these arguments. */
  readonly start: (command: string, args?: readonly string[], options?: SpawnOptions) => Promise<number>;
  /** Runs a copy of tail(1) under this name, which is also its short name; the arguments mean nothing to it. */
  readonly named: (name: string, args?: readonly string[], options?: SpawnOptions) => Promise<number>;
}

/** Inside a `describe`. */
export function runningPrograms(): Running {
  let directory = '';
  let children: ChildProcess[] = [];
  beforeEach(() => {
    directory = stateDirectory();
    chmodSync(directory, 0o755);
    children = [];
  });
  afterEach(async () => {
    for (const child of children) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const gone = new Promise((resolve) => child.once('close', resolve));
      child.kill('SIGKILL');
      await gone;
    }
    rmSync(directory, { recursive: true });
  });
  const start: Running['start'] = async (command, args = [], options = {}) => {
    const child = spawn(command, args, { stdio: ['pipe', 'ignore', 'inherit'], ...options });
    children.push(child);
    await new Promise((resolve, reject) => child.once('spawn', resolve).once('error', reject));
    return child.pid!;
  };
  return {
    directory: () => directory,
    start,
    named: async (name, args = [], options = {}) => {
      const program = join(directory, name);
      copyFileSync('/usr/bin/tail', program);
      chmodSync(program, 0o755);
      const pid = await start(program, ['-q', '-F', '/dev/null', '--', ...args], {
        stdio: 'ignore',
        ...options,
      });
      const short = name.slice(0, 15);
      await until(() => readFileSync(`/proc/${pid}/comm`, 'utf8').trimEnd() === short);
      return pid;
    },
  };
}

/** The only child of a process, once it has one. */
export async function childOf(pid: number): Promise<number> {
  const read = (): string => readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  await until(() => read() !== '');
  return Number(read());
}

/** A user that owns nothing. */
export const NOBODY = 65_534;
