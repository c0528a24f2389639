import type { Domain } from '../domain/domain.ts';
import type { Config, LogLevel } from '../config/config.ts';
import type { GuestKey } from '../config/guest-file.ts';
import type { Engine } from '../engine/engine.ts';
import { claimChosen, withChosen } from '../engine/claim-chosen.ts';
import { prepare } from '../engine/prepare.ts';
import { release } from '../engine/release.ts';
import type { HookLog } from '../log/quiet.ts';
import type { Log } from '../log/log.ts';
import { reportFailure } from './failure-report.ts';
import { betweenScripts, guestScripts, type ScriptRun } from './guest-scripts.ts';
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
  /** The scripts of this guest for this call; the code that runs them is loaded when there are any. */
  readonly scripts: ScriptRun;
}

/**
 * One call of libvirt. Returns the exit status: 0, or 1 for a start that must not go on and for devices that
 * are not back (which libvirt ignores, but logs). Never throws; nothing is written to stdout but what scripts answer to
 * libvirt.
 *
 * Scripts of the guest run before a start takes anything, so that they can free what it needs, and after an end has
 * given it back: the way in which they were written for a dispatcher and `managed='yes'`.
 */
export async function runHook(run: HookRun): Promise<0 | 1> {
  const { invocation } = run;
  const action = actionOf(invocation);
  const scripts = guestScripts(run.scripts)(invocation);
  if (action === 'nothing' && !scripts) return 0;
  let log: HookLog | undefined;
  try {
    const input = remembered(run.readStdin);
    // Of most guests libvirt has chosen nothing: then nothing is opened.
    const chosen = action === 'start' ? readChosen(run, input()) : undefined;
    if (action === 'start' && !chosen && !scripts) return 0;
    const engine = run.openEngine();
    log = engine.log;
    const forStart = (): Engine => {
      const heard = listening(engine, run);
      return { ...heard, runScript: betweenScripts(run.scripts, { ...heard, log: engine.log }, input) };
    };
    const script = async (): Promise<void> => scripts?.(engine, input);
    switch (action) {
      case 'prepare':
        await script();
        await prepare(forStart(), readDomain(run, input()));
        break;
      case 'start':
        await script();
        if (chosen) await claimChosen(forStart(), chosen);
        break;
      case 'release':
        // Releasing never looks at the XML: see src/engine/release.ts.
        return either(
          await ended(run, log, () => release(engine, invocation.guest)),
          await ended(run, log, script),
        );
      case 'nothing':
        await script();
    }
    return 0;
  } catch (error) {
    return failed(run, log, error);
  } finally {
    log?.close();
  }
}

async function ended(run: HookRun, log: HookLog, action: () => Promise<void>): Promise<0 | 1> {
  try {
    await action();
    return 0;
  } catch (error) {
    return failed(run, log, error);
  }
}

function failed({ invocation: { guest }, say }: HookRun, log: HookLog | undefined, error: unknown): 1 {
  reportFailure(error, { guest, log, say });
  return 1;
}

function either(a: 0 | 1, b: 0 | 1): 0 | 1 {
  return a === 0 ? b : a;
}

/** What it says the first time: stdin can be read once. */
function remembered(read: () => string): () => string {
  let text: string | undefined;
  return () => (text ??= read());
}

function readDomain(run: HookRun, xml: string): Domain {
  return run.loadParser()(xml, { name: run.invocation.guest });
}

/** How libvirt writes what it may have chosen, and what could hide that; hooks/launcher.sh asks the same. */
const MAY_BE_CHOSEN = /interface type=["']hostdev["']|<actual|&#|<[!?]/;

/** The guest, when libvirt may have chosen something for it. */
function readChosen(run: HookRun, xml: string): Domain | undefined {
  return MAY_BE_CHOSEN.test(xml) ? withChosen(readDomain(run, xml), () => false) : undefined;
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
