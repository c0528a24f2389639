import { displayManager, displayManagerUnit, usersOf } from '../../observe/display-manager.ts';
import { isRunning, readUnits } from '../../observe/units.ts';
import type { SeenOf } from '../kind.ts';
import type { Reader } from '../readers.ts';

/** Whether units of systemd are running, and whose sessions end with them. Throws as readUnits. */
export const readUnitStates: Reader<'unit'> = async (host, keys, deadlineMs) => {
  // Whose sessions there are matters for the display manager alone.
  const manager = keys.includes(displayManagerUnit(host) ?? '') ? displayManager(host) : undefined;
  const states = await readUnits(host, keys, deadlineMs);
  return new Map(
    [...states].map(([key, state]): [string, SeenOf<'unit'>] => {
      const users = manager?.key === key ? usersOf(manager) : [];
      return [key, { state: { active: isRunning(state) }, facts: { there: state.there, users } }];
    }),
  );
};
