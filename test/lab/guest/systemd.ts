import assert from 'node:assert/strict';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';

import type { CaseContext } from './case.ts';
import { must } from './execute.ts';
import { waitFor } from './wait.ts';

/** The user whose services there are. */
export const user = { name: 'lab', id: 1000 };

/** Whether process 1 is systemd, as sd_booted(3) knows it. */
export function isSystemd(): boolean {
  return existsSync('/run/systemd/system');
}

/** A unit of systemd: of the system, or of the user. */
export interface LabUnit {
  readonly name: string;
  readonly ofUser?: true;
}

/** systemctl(1) for the manager that the unit is of. */
async function systemctl(unit: LabUnit, verb: string, ...options: readonly string[]): Promise<string> {
  return must('systemctl', [...managerOf(unit), verb, ...options, '--', unit.name]);
}

function managerOf({ ofUser }: LabUnit): readonly string[] {
  return ofUser === true ? ['--user', `--machine=${user.id}@`] : [];
}

/** Has a user whose service manager runs though nobody has logged in (loginctl(1), enable-linger). */
export async function beginUser(): Promise<void> {
  await must('useradd', ['--create-home', '--uid', String(user.id), user.name]);
  await must('loginctl', ['enable-linger', user.name]);
  const manager = { name: `user@${user.id}.service` };
  await waitFor('the user’s manager', 60, async () => (await stateOf(manager)) === 'active' || undefined);
}

/** Makes a unit for the time of a case, with the other names that its `[Install]` section says. */
export async function defineUnit(
  context: CaseContext,
  unit: LabUnit,
  ...lines: readonly string[]
): Promise<void> {
  const directory = `/run/systemd/${unit.ofUser === true ? 'user' : 'system'}`;
  const file = `${directory}/${unit.name}`;
  const reload = async (): Promise<void> => {
    await must('systemctl', [...managerOf(unit), 'daemon-reload']);
  };
  mkdirSync(directory, { recursive: true });
  writeFileSync(file, `${lines.join('\n')}\n`);
  await reload();
  const aliases = lines.some((line) => line.startsWith('Alias='));
  if (aliases) await systemctl(unit, 'enable', '--runtime', '--quiet');
  context.afterwards(async () => {
    await systemctl(unit, 'stop');
    if (aliases) await systemctl(unit, 'disable', '--runtime', '--quiet');
    rmSync(file, { force: true });
    await reload();
  });
}

export async function startUnit(unit: LabUnit): Promise<void> {
  await systemctl(unit, 'start');
}

export async function stopUnit(unit: LabUnit): Promise<void> {
  await systemctl(unit, 'stop');
}

/** `ActiveState` of a unit: `active`, `inactive`, `failed`, … */
export async function stateOf(unit: LabUnit): Promise<string> {
  return property(unit, 'ActiveState');
}

/** A property of a unit, as systemctl(1) shows it. */
export async function property(unit: LabUnit, name: string): Promise<string> {
  return (await systemctl(unit, 'show', '--value', `--property=${name}`)).trim();
}

/** Waits until a unit is in this state. */
export async function waitForState(unit: LabUnit, state: string): Promise<void> {
  await waitFor(`${unit.name} to be ${state}`, 60, async () => (await stateOf(unit)) === state || undefined);
}

/** Asserts the states of units, all at once. */
export async function expectStates(expected: ReadonlyMap<LabUnit, string>): Promise<void> {
  for (const [unit, state] of expected) assert.equal(await stateOf(unit), state, `state of ${unit.name}`);
}
