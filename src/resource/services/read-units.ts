import { isRunning, readUnits } from '../../observe/units.ts';
import type { SeenOf } from '../kind.ts';
import type { Reader } from '../readers.ts';

/** Whether units of systemd are running. Throws as readUnits. */
export const readUnitStates: Reader<'unit'> = async (host, keys, deadlineMs) =>
  new Map(
    [...(await readUnits(host, keys, deadlineMs))].map(([key, state]): [string, SeenOf<'unit'>] => [
      key,
      { state: { active: isRunning(state) }, facts: { there: state.there } },
    ]),
  );
