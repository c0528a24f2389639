import { advice } from './hint.ts';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import type * as decode from './config/decode.ts';
import type { Domain } from './domain/domain.ts';
import { VfioHookError } from './errors.ts';
import type { Host } from './host/host.ts';
import type * as described from './host/simulated/described.ts';
import type { Sink } from './log/file.ts';
import type { Log, Severity } from './log/log.ts';

/** The files beside the entrypoint, by name. What each exports. */
export interface PartExports {
  readonly 'cli.cjs': { main(args: readonly string[], parts: Parts): Promise<number> };
  readonly 'domain.cjs': {
    readonly parseDomain: (xml: string, expected: { readonly name: string }) => Domain;
  };
  readonly 'config.cjs': typeof decode;
  readonly 'log.cjs': {
    winstonLog(level: Severity, sink: Sink): Log;
    verboseLog(sink: Sink, say: (line: string) => void): Log;
  };
  readonly 'simulated.cjs': { openSimulatedHost(directory: string): Host };
  readonly 'described.cjs': typeof described;
}

/**
 * The code that a run may need, each piece in a file of its own and loaded when it is first asked for: a hook
 * call that loads all of it takes three times as long.
 */
export interface Parts {
  /** The entrypoint's own file, links resolved. */
  readonly entrypoint: string;
  load<Name extends keyof PartExports>(name: Name): PartExports[Name];
}

/**
 * The parts that belong to an entrypoint. Installed, they are in `../lib/vfio-hook` of its directory; built,
 * beside it. No environment variable and no configuration has a say in where code comes from.
 */
export function partsOf(entrypoint: string): Parts {
  const here = dirname(entrypoint);
  const directory = basename(here) === 'dist' ? here : join(here, '../lib/vfio-hook');
  return {
    entrypoint,
    load: <Name extends keyof PartExports>(name: Name) => {
      try {
        return createRequire(entrypoint)(join(directory, name)) as PartExports[Name];
      } catch (cause) {
        throw new VfioHookError('VH_INSTALLATION', `cannot load ${join(directory, name)}`, {
          hints: [advice('the installation is damaged: run install.sh again')],
          cause,
        });
      }
    },
  };
}
