import { VfioHookError } from '../errors.ts';
import { advice, command } from '../hint.ts';
import type { Host } from '../host/host.ts';
import { isUnitName, unitKey, unitOfKey, unitWords, type Unit } from '../pci/unit.ts';
import { showUnits, type Properties } from './systemctl.ts';

/** What systemd says of a unit. */
export interface UnitState {
  /** Whether there is such a unit. */
  readonly there: boolean;
  /** As systemd says it: `active`, `inactive`, `failed`, `activating`, … */
  readonly active: string;
  /** Whether it is to be started or stopped, which waits for others (systemctl(1), list-jobs). */
  readonly queued: boolean;
}

/**
 * Whether a unit is running, or about to: what has to be brought back. One at rest is only queued for its start; so are
 * those that come up with the host, while libvirt starts guests of its own accord.
 */
export function isRunning({ active, queued }: UnitState): boolean {
  if (active === 'inactive' || active === 'failed') return queued;
  return active === 'active' || active === 'reloading' || active === 'activating';
}

/** Where units and their other names are, the first one first (systemd.unit(5), "System Unit Search Path"). */
const PLACES = [
  '/etc/systemd/system',
  '/run/systemd/system',
  '/usr/local/lib/systemd/system',
  '/usr/lib/systemd/system',
  '/lib/systemd/system',
];

/** Whether systemd runs this host (sd_booted(3)): without it, units may be installed and nobody could stop them. */
export function isSystemdRunning(host: Host): boolean {
  return host.list('/run/systemd/system') !== undefined;
}

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

/** Whether the system has a file of this unit, or of one that is called so as well, which tells without systemd. */
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
    const answers = await show(host, own, deadlineMs);
    own.forEach((unit, index) => states.set(unitKey(unit), answers[index] ?? NOWHERE));
  }
  return states;
}

const NOWHERE: UnitState = { there: false, active: 'inactive', queued: false };

/** The units of libvirt's daemons before each start of which the recover unit runs (systemd/vfio-hook-recover.service). */
const DAEMONS: readonly Unit[] = [{ name: 'libvirtd.service' }, { name: 'virtqemud.service' }];

/**
 * Whether systemd starts a unit only when libvirt's daemon has started or stopped, which is under way: whoever waited for that
 * before the daemon does (the recover unit), or in it (the hook), would wait for itself. Throws as readUnits.
 */
export async function waitsForLibvirt(host: Host, unit: Unit, deadlineMs: number): Promise<boolean> {
  // A user's manager knows nothing of the units of the system.
  if (unit.user !== undefined) return false;
  const [own, ...daemons] = await ask(host, [unit, ...DAEMONS], ['After', 'Job'], deadlineMs);
  const after = own?.('After')?.split(' ') ?? [];
  return DAEMONS.some(({ name }, index) => after.includes(name) && isJob(daemons[index]?.('Job')));
}

/** Without `--all` a unit that has no job has no such line. */
function isJob(value = ''): boolean {
  return /^[1-9]/.test(value);
}

async function show(host: Host, units: readonly Unit[], deadlineMs: number): Promise<readonly UnitState[]> {
  const answers = await ask(host, units, ['LoadState', 'ActiveState', 'Job'], deadlineMs);
  return answers.map((value) => {
    const load = value('LoadState') ?? '';
    return {
      there: load !== '' && load !== 'not-found',
      active: value('ActiveState') ?? '',
      queued: isJob(value('Job')),
    };
  });
}

/** Properties of units of one manager, in the order in which they were asked for. Of a user whose manager does not run, none. */
async function ask(
  host: Host,
  units: readonly Unit[],
  properties: readonly string[],
  deadlineMs: number,
): Promise<readonly Properties[]> {
  const [first] = units;
  const user = first?.user;
  const names = units.map(({ name }) => name);
  const shown = await showUnits(host, names, properties, { user, deadlineMs });
  const words = first ? unitWords(first) : '';
  switch (shown.kind) {
    case 'shown':
      return shown.units;
    case 'stuck':
      throw new VfioHookError('VH_STUCK', `systemd does not say what ${words} does`, {
        hints: [command('systemctl list-jobs')],
      });
    case 'refused':
      if (user !== undefined) return [];
      throw new VfioHookError('VH_INSTALLATION', `systemd does not say what ${words} does: ${shown.said}`, {
        hints: [advice('services of the configuration need a host that systemd runs')],
      });
  }
}
