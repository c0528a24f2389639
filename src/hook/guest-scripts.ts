import { defaultConfig } from '../config/config.ts';
import type { Engine } from '../engine/engine.ts';
import { VfioHookError } from '../errors.ts';
import type { Host } from '../host/host.ts';
import type { Log } from '../log/log.ts';
import { BETWEEN, DEVICE_VARIABLE } from '../script-places.ts';
import { reportFailure } from './failure-report.ts';
import type { Invocation } from './invocation.ts';
import { distrustOf, refuseUntrusted, scriptsFor, type ScriptTree } from './script-tree.ts';
import type * as scripts from './scripts.ts';
import type { WhenTold } from './scripts.ts';

/**
 * The scripts of a guest for a call; undefined where there are none. What it gives runs them, one after the other. It throws
 * VH_SCRIPT where libvirt heeds it: then the operation does not go on, nor do the scripts behind the one that failed.
 * Elsewhere each is run, and what failed is said and logged.
 */
export type GuestScripts = (call: Invocation) => RunScripts | undefined;

type RunScripts = (engine: ScriptEngine, input: () => string) => Promise<void>;

type ScriptEngine = Pick<Engine, 'loadConfig'> & { readonly log: Log };

/** What scripts need of the run that they are part of. */
export interface ScriptRun {
  /** Undefined: another hook runs them. */
  readonly tree: ScriptTree | undefined;
  /** The tree for what is to run between, which no other hook knows of. */
  readonly between: ScriptTree;
  readonly load: () => Pick<typeof scripts, 'runScript' | 'tryScript'>;
  readonly whenTold: WhenTold;
  /** Writes one line to stderr. */
  readonly say: (line: string) => void;
  /** Writes to libvirt what a script makes of the XML. */
  readonly answer: (xml: string) => void;
}

/**
 * Operations that libvirt gives up when the hook fails (src/qemu/qemu_process.c, qemu_migration.c, qemu_driver.c). Not
 * `reconnect`, where a failure ends a guest that is well.
 */
const HEEDED: readonly string[] = ['prepare', 'start', 'started', 'migrate', 'restore'];
/** Operations in which libvirt takes the XML that the hook writes in place of its own. */
const ANSWERED: readonly string[] = ['migrate', 'restore'];

/** The scripts of the guest that libvirt calls the hook for. */
export function guestScripts({ tree, load, whenTold, say, answer }: ScriptRun): GuestScripts {
  return (call) => {
    const found = tree ? scriptsFor(tree, call) : [];
    if (!tree || found.length === 0) return undefined;
    const { guest, operation, subOperation, extra } = call;
    const isHeeded = HEEDED.includes(operation);
    const answers = ANSWERED.includes(operation);
    return async (engine, input) => {
      const { log } = engine;
      const { runScript } = load();
      const given = isHeeded ? input() : orNothing(input);
      const deadlineMs = deadlineFor(engine, guest, given);
      let xml = given;
      for (const script of found) {
        const line = (message: string): void => {
          log.write({ severity: 'info', message, guest, step: script.name });
        };
        try {
          refuseUntrusted(tree, script);
          const args = [guest, operation, subOperation, extra];
          const said = await runScript(script, { args, input: xml, deadlineMs, answers, line, whenTold });
          // What it leaves as it is it need not write.
          if (said.trim() !== '') xml = said;
          line('done');
        } catch (error) {
          if (isHeeded || !(error instanceof VfioHookError)) throw error;
          reportFailure(error, { guest, log, say });
        }
      }
      if (xml !== given) answer(xml);
    };
  };
}

/**
 * What runs scripts between the unbind and the bind of a device, for the engine. The code that runs them is loaded for the
 * first one. It judges anew whose the script is: some time has passed since the plan.
 */
export function betweenScripts(
  { between: tree, load, whenTold }: ScriptRun,
  engine: ScriptEngine,
  input: () => string,
): NonNullable<Host['runScript']> {
  return async ({ device, guest, name, path }) => {
    const distrust = distrustOf(tree, path);
    if (distrust) return { reason: `it cannot be trusted: ${distrust.found}`, hints: distrust.hints };
    const xml = input();
    const step = [...BETWEEN, name].join('/');
    const end = await load().tryScript(path, {
      args: [guest, ...BETWEEN, '-'],
      variables: { [DEVICE_VARIABLE]: device },
      input: xml,
      deadlineMs: deadlineFor(engine, guest, xml),
      answers: false,
      line: (message) => {
        engine.log.write({ severity: 'info', message, guest, device, step });
      },
      whenTold,
    });
    return 'why' in end ? { reason: `it ${end.why}`, hints: end.hints } : undefined;
  };
}

/** The XML for those that run whatever happens: an end does not wait for one that cannot be read. */
function orNothing(input: () => string): string {
  try {
    return input();
  } catch (error) {
    if (!(error instanceof VfioHookError)) throw error;
    return '';
  }
}

/** By the configuration of the guest; the usual one while that is broken, which is said where devices depend on it. */
function deadlineFor({ loadConfig }: ScriptEngine, name: string, xml: string): number {
  const uuid = /<uuid>([0-9a-f-]{36})<\/uuid>/i.exec(xml)?.[1]?.toLowerCase();
  try {
    return loadConfig({ name, ...(uuid !== undefined && { uuid }) }).timeouts.script;
  } catch (error) {
    if (!(error instanceof VfioHookError)) throw error;
    return defaultConfig.timeouts.script;
  }
}
