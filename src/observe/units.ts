import { VfioHookError } from '../errors.ts';
import { advice, command } from '../hint.ts';
import type { Host } from '../host/host.ts';
import { isUnitName, managerArguments, unitKey, unitOfKey, unitWords, type Unit } from '../pci/unit.ts';
import { quoteName } from '../text.ts';

/** What systemd says of a unit. */
export interface UnitState {
  /** Whether there is such a unit. */
  readonly there: boolean;
  /** As systemd says it: `active`, `inactive`, `failed`, `activating`, … */
  readonly active: string;
}

/** Whether a unit is running, or about to: what has to be brought back. */
export function isRunning({ active }: UnitState): boolean {
  return active === 'active' || active === 'reloading' || active === 'activating';
}

/** Where units and their other names are, the first one first (systemd.unit(5), "System Unit Search Path"). */
const PLACES = [
  '/etc/systemd/system',
  '/run/systemd/system',
  '/usr/lib/systemd/system',
  '/lib/systemd/system',
];

/**
 * The unit that a name means: display-manager.service, for one, is a link to the file of another. That of a user is taken
 * by its word.
 */
export function canonicalUnit(host: Host, unit: Unit): Unit {
  if (unit.user !== undefined) return unit;
  const links = PLACES.map((place) => host.readLink(`${place}/${unit.name}`)?.split('/').pop());
  const name = links.find((link) => link !== undefined && link !== unit.name && isUnitName(link));
  return name === undefined ? unit : { name };
}

/** Whether the system has a file of this unit, or of one that is called so as well. */
export function hasUnitFile(host: Host, name: string): boolean {
  return PLACES.some((place) => host.status(`${place}/${name}`) !== undefined);
}

/**
 * What systemd says of units, by their keys; one question for each manager. Of a user whose manager does not run, none is
 * there. Throws VH_STUCK when a manager does not answer in time, VH_INSTALLATION without systemd.
 */
export async function readUnits(
  host: Host,
  keys: readonly string[],
  deadlineMs: number,
): Promise<ReadonlyMap<string, UnitState>> {
  const units = keys.map(unitOfKey);
  const states = new Map<string, UnitState>();
  for (const user of new Set(units.map((unit) => unit.user))) {
    const own = units.filter((unit) => unit.user === user);
    const answers = await show(host, own, user, deadlineMs);
    own.forEach((unit, index) => states.set(unitKey(unit), answers[index] ?? NOWHERE));
  }
  return states;
}

const NOWHERE: UnitState = { there: false, active: 'inactive' };

/** systemctl(1) show: a paragraph for each unit, in the order in which they were asked for. */
async function show(
  host: Host,
  units: readonly Unit[],
  user: number | undefined,
  deadlineMs: number,
): Promise<readonly UnitState[]> {
  const args = [
    ...managerArguments(user),
    ...['show', '--property=LoadState', '--property=ActiveState', '--'],
    ...units.map(({ name }) => name),
  ];
  const result = await host.run('systemctl', args, deadlineMs);
  const [first] = units;
  const words = first ? unitWords(first) : '';
  if (result.kind === 'stuck')
    throw new VfioHookError('VH_STUCK', `systemd does not say what ${words} does`, {
      hints: [command('systemctl list-jobs')],
    });
  if (result.status !== 0) {
    if (user !== undefined) return [];
    const said = result.stderr.trim().split('\n')[0] ?? '';
    throw new VfioHookError(
      'VH_INSTALLATION',
      `systemd does not say what ${words} does: ${quoteName(said.slice(0, 200))}`,
      { hints: [advice('services of the configuration need a host that systemd runs')] },
    );
  }
  return result.stdout
    .trim()
    .split(/\n\s*\n/)
    .map((paragraph) => {
      const value = (name: string): string => new RegExp(`^${name}=(.*)$`, 'm').exec(paragraph)?.[1] ?? '';
      const load = value('LoadState');
      return { there: load !== '' && load !== 'not-found', active: value('ActiveState') };
    });
}
