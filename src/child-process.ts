import type * as childProcessModule from 'node:child_process';
import { createRequire } from 'node:module';

type ChildProcess = typeof childProcessModule;

let loaded: ChildProcess | undefined;

/**
 * Node's module for child processes, loaded when the first one is started: with what it loads itself it takes 5 ms,
 * and most runs of the hook start none.
 */
export function childProcess(): ChildProcess {
  return (loaded ??= createRequire('/')('node:child_process') as ChildProcess);
}
