import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { MACHINE_FILE } from '../../simulator/entry.ts';
import { createMachineFile } from '../../simulator/machine.ts';
import type { FaultDescription } from '../../simulator/operation.ts';
import type { MachineSpec } from '../../simulator/spec.ts';

/** A simulated machine in a file, whose kernel runs within the hook's own process. */
export interface SimulatedMachine {
  /** Arguments behind libvirt's four that put it in the real one's place. */
  readonly further: readonly string[];
  /** Boots it. A machine that keeps its journal of all rounds would be slower each time. */
  readonly boot: () => void;
}

/** Makes one, which has not booted yet. */
export function simulatedMachine(
  spec: MachineSpec,
  directory: string,
  faults: readonly FaultDescription[] = [],
): SimulatedMachine {
  mkdirSync(directory);
  return {
    further: ['--simulated-machine', directory],
    boot: () => {
      rmSync(join(directory, 'run'), { recursive: true, force: true });
      const machine = createMachineFile(join(directory, MACHINE_FILE), spec);
      for (const rule of faults) machine.perform({ do: 'fault', rule });
    },
  };
}
