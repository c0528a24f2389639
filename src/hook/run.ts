import type { Domain } from '../domain/domain.ts';
import type { Config, LogLevel } from '../config/config.ts';
import type { GuestKey } from '../config/guest-file.ts';
import { asFailure } from '../failure.ts';
import type { Engine } from '../engine/engine.ts';
import { prepare } from '../engine/prepare.ts';
import { release } from '../engine/release.ts';
import type { HookLog } from '../log/quiet.ts';
import type { Log } from '../log/log.ts';
import { errorLines } from '../report.ts';
import { actionOf, type Invocation } from './invocation.ts';

/** What a run of the hook needs from outside. */
export interface HookRun {
  readonly invocation: Invocation;
  /** Opened only when there is something to do. */
  readonly openEngine: () => Engine & { readonly log: HookLog };
  readonly readStdin: () => string;
  readonly loadParser: () => (xml: string, expected: { readonly name: string }) => Domain;
  /** The log for level `debug`. */
  readonly loudLog: (level: LogLevel) => Log;
  /** Writes one line to stderr. */
  readonly say: (line: string) => void;
}

/**
 * One call of libvirt. Returns the exit status: 0, or 1 for a start that must not go on and for devices that
 * are not back (which libvirt ignores, but logs). Never throws; nothing is written to stdout.
 */
export async function runHook(run: HookRun): Promise<0 | 1> {
  const action = actionOf(run.invocation);
  if (action === 'nothing') return 0;
  let log: HookLog | undefined;
  try {
    const engine = run.openEngine();
    log = engine.log;
    // Releasing never looks at the XML: see src/engine/release.ts.
    if (action === 'prepare') await prepare(listening(engine, run), readDomain(run));
    else await release(engine, run.invocation.guest);
    return 0;
  } catch (error) {
    for (const line of errorLines(error)) run.say(line);
    const failure = asFailure(error);
    log?.write({
      severity: 'err',
      message: failure?.message ?? String(error),
      guest: run.invocation.guest,
      result: failure?.code ?? 'VH_INTERNAL',
    });
    return 1;
  } finally {
    log?.close();
  }
}

function readDomain(run: HookRun): Domain {
  const xml = run.readStdin();
  return run.loadParser()(xml, { name: run.invocation.guest });
}

/** The level of the log is known only once the guest's configuration is. */
function listening(engine: Engine & { readonly log: HookLog }, run: HookRun): Engine {
  const loadConfig = (guest?: GuestKey): Config => {
    const config = engine.loadConfig(guest);
    engine.log.setLevel(config.log.level, () => run.loudLog(config.log.level));
    return config;
  };
  return { ...engine, loadConfig };
}
