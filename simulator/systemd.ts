import { parseUnitKey, unitKey } from '../src/pci/unit.ts';
import { refused, succeeded, type ProgramRun } from './programs.ts';
import { endProcess, startAtBoot } from './processes.ts';
import { setProperty, sliceParagraph } from './slices.ts';
import { endSessionsOf } from './sessions.ts';
import type { MachineSpec, ProcessSpec, UnitSpec } from './spec.ts';
import type { MachineState, UnitRun } from './state.ts';
import { done, type Outcome } from './work.ts';

/**
 * systemctl(1), as far as one unit is stopped or started and looked at: `[--user --machine=UID@] VERB [--no-block] -- NAME…`. A
 * unit that stops takes its processes along, and one that starts brings back those that it had at boot; one that is
 * started after another that is queued waits for that, and so does systemctl, unless it was told not to.
 */
export function systemctl(state: MachineState, args: readonly string[]): ProgramRun {
  const user = /^--machine=(\d+)@$/.exec(args.find((word) => word.startsWith('--machine=')) ?? '')?.[1];
  const [verb = ''] = args.filter((word) => !word.startsWith('-'));
  const names = args.slice(args.indexOf('--') + 1);
  const keys = names.map((name) => unitKey({ name, ...(user !== undefined && { user: Number(user) }) }));
  for (const key of keys) instantiate(state, key);
  const ran = perform(state, { args, verb, names, keys, user });
  for (const key of keys) forget(state, key);
  return ran;
}

/** What systemctl is told. */
interface Told {
  readonly args: readonly string[];
  readonly verb: string;
  readonly names: readonly string[];
  readonly keys: readonly string[];
  readonly user: string | undefined;
}

function perform(state: MachineState, { args, verb, names, keys, user }: Told): ProgramRun {
  if (user !== undefined && !Object.keys(state.units).some((key) => key.startsWith(`user ${user} `)))
    return refused(1, 'Failed to connect to user scope bus via machine transport: No such file or directory');
  if (verb === 'set-property') return setProperty(state, names);
  if (verb === 'show' && args.includes('--property=AllowedCPUs'))
    return succeeded(names.map((name) => sliceParagraph(state, name)).join('\n'));
  if (verb === 'show') {
    const paragraphs = keys.map((key) => {
      const unit = state.units[key];
      return [
        `LoadState=${unit ? 'loaded' : 'not-found'}`,
        `ActiveState=${unit?.active ?? 'inactive'}`,
        `After=sysinit.target ${unit?.after ?? ''}`,
        ...(unit?.queued === true ? ['Job=4711'] : []),
        '',
      ].join('\n');
    });
    return succeeded(paragraphs.join('\n'));
  }
  const [name = ''] = names;
  const unit = state.units[keys[0] ?? ''];
  switch (verb) {
    case 'stop':
      return unit
        ? stop(state, keys[0] ?? '', unit)
        : refused(5, `Failed to stop ${name}: Unit ${name} not loaded.`);
    case 'start':
      return unit
        ? start(state, keys[0] ?? '', unit, !args.includes('--no-block'))
        : refused(5, `Failed to start ${name}: Unit ${name} not found.`);
    case 'reset-failed':
      if (unit) reset(unit);
      return succeeded();
    default:
      return refused(1, `Unknown command verb '${verb}'.`);
  }
}

/** The units of a machine that has just booted: those that its description names, and those of its processes. */
export function unitsAtBoot({
  units,
  processes,
}: Pick<MachineSpec, 'units' | 'processes'>): Record<string, UnitRun> {
  const running = processes.flatMap(({ unit }) => (unit ? [unitKey(unit)] : []));
  return Object.fromEntries([
    ...running.map((key): [string, UnitRun] => [key, { active: 'active', starts: 0 }]),
    ...units.map((unit): [string, UnitRun] => {
      const { active, after, queued } = unit;
      const more = { ...(after !== undefined && { after }), ...(queued && { queued }) };
      return [unitKey(unit), { active, starts: 0, ...more }];
    }),
  ]);
}

/** An instance of a template (systemd.unit(5)) is there as long as somebody asks for it or it runs. */
function instantiate({ units }: MachineState, key: string): void {
  const template = key.replace(/@[^@ ]+(\.\w+)$/, '@$1');
  if (units[key] || template === key || !units[template]) return;
  units[key] = { active: 'inactive', starts: 0 };
}

/** Instances that do not run are forgotten. */
function forget({ units, spec }: MachineState, key: string): void {
  const isInstance = key !== key.replace(/@[^@ ]+(\.\w+)$/, '@$1');
  if (isInstance && units[key]?.active !== 'active' && !specOf(spec, key)) Reflect.deleteProperty(units, key);
}

function stop(state: MachineState, key: string, unit: UnitRun): ProgramRun {
  const stopMs = specOf(state.spec, key)?.stopMs;
  if (stopMs === undefined || unit.active !== 'active') {
    unitStopped(state, key);
    return succeeded();
  }
  unit.active = 'deactivating';
  const todo = [
    { do: 'sleep', until: state.clock + stopMs },
    { do: 'unit-stopped', key },
  ] as const;
  return { ...succeeded(), todo };
}

/** The processes of a unit have ended, with what ends with it. */
export function unitStopped(state: MachineState, key: string): Outcome {
  const unit = state.units[key];
  if (unit) {
    unit.active = 'inactive';
    delete unit.queued;
  }
  const own = state.processes.filter((process) => process.unit && unitKey(process.unit) === key);
  for (const process of own) endProcess(state, process);
  endSessionsOf(state, key);
  return done;
}

function start(state: MachineState, key: string, unit: UnitRun, waits: boolean): ProgramRun {
  if (unit.active === 'active') return succeeded();
  if (unit.active === 'deactivating') {
    cancelJobs(state, key);
    unit.active = 'active';
    return succeeded();
  }
  if (unit.after !== undefined && state.units[unit.after]?.queued === true) {
    unit.queued = true;
    const reason = `${key} is started after ${unit.after}`;
    return { ...succeeded(), todo: waits ? [{ do: 'wedge', reason }] : [] };
  }
  const spec = specOf(state.spec, key);
  unit.starts += 1;
  if (spec?.startLimit !== undefined && unit.starts > spec.startLimit) {
    unit.active = 'failed';
    return refused(
      1,
      `Job for ${parseUnitKey(key)?.name ?? key} failed: start of the service was attempted too often (start-limit-hit).`,
    );
  }
  unit.active = 'active';
  startAtBoot(state, processesOf(state.spec, key));
  return succeeded();
}

/** A job for a unit takes the place of the one before it, and whoever waits for that hears so. */
function cancelJobs(state: MachineState, key: string): void {
  const { name = '', user } = parseUnitKey(key) ?? {};
  const manager = user === undefined ? '' : `--user --machine=${user}@ `;
  const line = `systemctl ${manager}stop -- ${name}`;
  for (const task of state.tasks.filter(({ write }) => write?.path === line)) {
    task.output = { status: 1, stdout: '', stderr: `Job for ${name} canceled.\n` };
    task.todo = [];
  }
}

/** What is failed is forgotten, and so is how often it was started. */
function reset(unit: UnitRun): void {
  unit.starts = 0;
  if (unit.active === 'failed') unit.active = 'inactive';
}

function specOf({ units }: MachineSpec, key: string): UnitSpec | undefined {
  return units.find((unit) => unitKey(unit) === key);
}

function processesOf({ processes }: MachineSpec, key: string): readonly ProcessSpec[] {
  return processes.filter(({ unit }) => unit && unitKey(unit) === key);
}
