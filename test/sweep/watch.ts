import childProcess from 'node:child_process';
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

/** What a piece of code did to the world outside its process. */
export interface Seen {
  /** Paths that were looked at, opened, made or removed. */
  readonly paths: readonly string[];
  /** Programs that were started. */
  readonly programs: readonly string[];
}

const byPath = [
  'existsSync',
  'lstatSync',
  'mkdirSync',
  'openSync',
  'readFileSync',
  'readdirSync',
  'readlinkSync',
  'realpathSync',
  'renameSync',
  'rmSync',
  'statSync',
  'symlinkSync',
  'unlinkSync',
  'writeFileSync',
] as const;
const byProgram = ['exec', 'execFile', 'execFileSync', 'execSync', 'fork', 'spawn', 'spawnSync'] as const;

type AnyFunction = (...args: readonly unknown[]) => unknown;

/** Notes every path and every program that synchronous code uses, by exchanging Node's functions for that time. */
export function watch(action: () => void): Seen {
  const paths: string[] = [];
  const programs: string[] = [];
  const back = [
    ...byPath.map((name) => noting(fs as unknown as Record<string, AnyFunction>, name, paths)),
    ...byProgram.map((name) =>
      noting(childProcess as unknown as Record<string, AnyFunction>, name, programs),
    ),
  ];
  syncBuiltinESMExports();
  try {
    action();
  } finally {
    for (const each of back) each();
    syncBuiltinESMExports();
  }
  return { paths, programs };
}

function noting(module: Record<string, AnyFunction>, name: string, into: string[]): () => void {
  const real = module[name];
  if (!real) throw new Error(`there is no ${name}`);
  module[name] = (...args) => {
    into.push(String(args[0]));
    return real(...args);
  };
  return () => {
    module[name] = real;
  };
}
