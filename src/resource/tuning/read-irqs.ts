import { isBalanced, readIrqAffinity } from '../../observe/irqs.ts';
import type { SeenOf } from '../kind.ts';
import type { Reader } from '../readers.ts';

/** Where interrupts may go. One that is gone is not there. */
export const readIrqs: Reader<'irq'> = (host, keys) => {
  const facts = { balanced: isBalanced(host) };
  return Promise.resolve(
    new Map(
      keys.flatMap((key): [string, SeenOf<'irq'>][] => {
        const cpus = readIrqAffinity(host, key);
        return cpus === undefined ? [] : [[key, { state: { cpus }, facts }]];
      }),
    ),
  );
};
