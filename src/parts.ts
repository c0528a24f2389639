import { advice } from './hint.ts';
import { dirname, join } from 'node:path';
import type * as config from './config/part.ts';
import type { Domain } from './domain/domain.ts';
import { VfioHookError } from './errors.ts';
import type { Host } from './host/host.ts';
import type * as described from '../simulator/described.ts';
import type * as main from './hook/main.ts';
import type * as scripts from './hook/scripts.ts';
import type { Sink } from './log/file.ts';
import type { Log, Severity } from './log/log.ts';

/** The files of the build's directory of parts, by name. What each exports. */
export interface PartExports {
  readonly 'main.cjs': typeof main;
  readonly 'cli.cjs': { main(args: readonly string[], parts: Parts): Promise<number> };
  readonly 'domain.cjs': {
    readonly parseDomain: (xml: string, expected: { readonly name: string }) => Domain;
  };
  readonly 'config.cjs': typeof config;
  readonly 'scripts.cjs': typeof scripts;
  readonly 'log.cjs': {
    winstonLog(level: Severity, sink: Sink): Log;
    verboseLog(sink: Sink, say: (line: string) => void): Log;
  };
  readonly 'simulated.cjs': { openSimulatedHost(directory: string): Host };
  readonly 'described.cjs': typeof described;
}

/** The name of the directory of parts, written in by the build: version and hash of what is in it. */
declare const __PARTS__: string;

/**
 * The code that a run may need, each piece in a file of its own and loaded when it is first asked for: a hook
 * call that loads all of it takes three times as long.
 */
export interface Parts {
  /** The launcher that was called, links and all. */
  readonly launcher: string;
  /** The name of their directory: another build has another one. */
  readonly build: string;
  load<Name extends keyof PartExports>(name: Name): PartExports[Name];
}

/**
 * The parts of the hook's own build, in a directory beside its file. No environment variable and no
 * configuration has a say in where code comes from. `exportsOf` loads a file: it is the compiled file's own `require`, or what
 * does the same faster.
 */
export function partsOf(hook: string, launcher: string, exportsOf: (path: string) => unknown): Parts {
  const directory = join(dirname(hook), __PARTS__);
  return {
    launcher,
    build: __PARTS__,
    load: <Name extends keyof PartExports>(name: Name) => {
      try {
        return exportsOf(join(directory, name)) as PartExports[Name];
      } catch (cause) {
        throw new VfioHookError('VH_INSTALLATION', `cannot load ${join(directory, name)}`, {
          hints: [advice('the installation is damaged: install vfio-hook again')],
          cause,
        });
      }
    },
  };
}
