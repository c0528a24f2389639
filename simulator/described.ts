/**
 * What the command makes machines with, as a part of the compiled program of its own: reading descriptions
 * takes a YAML reader and a schema, which a hook on a simulated machine does not need.
 */
export { parseDescription, readDescription } from './description.ts';
export { MACHINE_FILE } from './entry.ts';
export { createMachine, createMachineFile } from './machine.ts';
