import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { MACHINE_FILE } from '../../simulator/entry.ts';
import { createMachineFile } from '../../simulator/machine.ts';
import type { MachineSpec } from '../../simulator/spec.ts';
import { installation, startHook, type Running } from '../hook/compiled.ts';
import { begin, type Guest, type Stage } from '../hook/stage.ts';
import { stateDirectory } from '../scenario.ts';
import type { Tally } from './tally.ts';

/** What rounds are on. */
export interface Rounds {
  readonly rounds: number;
  readonly machine: MachineSpec;
  /** So many of them side by side; absent: one after the other. */
  readonly lanes?: number;
}

/** Runs rounds, each a point and on a machine of its own. */
export async function eachRound(
  tally: Tally,
  { rounds, machine, lanes = 1 }: Rounds,
  round: (on: Stage) => Promise<void>,
): Promise<void> {
  let next = 1;
  const lane = async (): Promise<void> => {
    while (next <= rounds) {
      await tally.point(`round ${next++}`, async () => {
        await onMachine(round, machine);
      });
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}

async function onMachine(round: (on: Stage) => Promise<void>, spec: MachineSpec): Promise<void> {
  const directory = stateDirectory();
  try {
    const machine = createMachineFile(join(directory, MACHINE_FILE), spec);
    await round({ directory, machine, option: ['--simulated-machine', directory] });
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** Runs at the same moment, all of which succeed and say nothing. */
export async function atOnce(
  on: Stage,
  ...runs: readonly (readonly [Guest, 'prepare' | 'release'] | 'recover')[]
): Promise<void> {
  const begun = runs.map((run) => (run === 'recover' ? beginCommand(on, [run]) : begin(on, ...run)));
  const ends = await Promise.all(begun.map(({ ended }) => ended));
  for (const { status, stderr } of ends) assert.deepEqual([status, stderr], [0, '']);
}

/** Begins a command. */
export function beginCommand({ option }: Stage, args: readonly string[]): Running {
  return startHook([...args, ...option], { program: installation().command });
}
