import { join } from 'node:path';
import type { Host } from '../src/host/host.ts';
import { openMachineFile } from './machine.ts';

/** Name of the file, in a simulated machine's directory, that holds its state. */
export const MACHINE_FILE = 'machine.json';

/** The port to the simulated machine in a directory; several processes may have it open at once. */
export function openSimulatedHost(directory: string): Host {
  return openMachineFile(join(directory, MACHINE_FILE)).host();
}
