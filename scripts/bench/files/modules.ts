import { appendFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** Lines of modules.alias and modules.dep in Debian 13's kernel package, rounded. */
const ALIASES = 22_000;
const DEPENDENCIES = 4200;

/**
 * Makes the lists of modules as long as a distribution's: a simulated machine's name only what its own drivers take, and
 * what is read, and how often, is a part of what a call costs. None of the lines fits a device.
 */
export function modulesOfADistribution(directory: string): void {
  const [release = ''] = readdirSync(directory);
  const hex = (value: number): string => value.toString(16).toUpperCase().padStart(8, '0');
  const lines = (count: number, line: (index: number) => string): string =>
    Array.from({ length: count }, (_, index) => line(index)).join('');
  appendFileSync(
    join(directory, release, 'modules.alias'),
    lines(
      ALIASES,
      (index) => `alias pci:v0000EEEEd${hex(index)}sv*sd*bc*sc*i* other_module_${index % DEPENDENCIES}\n`,
    ),
  );
  appendFileSync(
    join(directory, release, 'modules.dep'),
    lines(
      DEPENDENCIES,
      (index) => `kernel/drivers/other/other_module_${index}.ko.xz: kernel/lib/library_${index % 97}.ko.xz\n`,
    ),
  );
}
