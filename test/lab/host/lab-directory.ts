import { mkdirSync, rmSync } from 'node:fs';
import path from 'node:path';

/** Where everything that the lab makes is kept: `.lab/` in the repository, ignored by git; LAB_DIR overrides it. */
export interface LabDirectory {
  /** A path below it. */
  path(...parts: readonly string[]): string;
  /** The file for the output of a tool, begun anew in each run of the lab. */
  log(name: string): string;
}

export function labDirectory(repository: string): LabDirectory {
  const root = path.resolve(process.env['LAB_DIR'] ?? path.join(repository, '.lab'));
  rmSync(path.join(root, 'log'), { recursive: true, force: true });
  mkdirSync(path.join(root, 'log'), { recursive: true });
  return {
    path: (...parts) => path.join(root, ...parts),
    log: (name) => path.join(root, 'log', `${name}.log`),
  };
}
