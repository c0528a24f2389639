import * as v from 'valibot';
import { cpuList, parseCpuList } from '../../pci/cpu-list.ts';
import { closed, expected, read } from '../forms.ts';

const list = read({
  what: 'no list of CPUs',
  write: 'auto, or numbers and ranges such as "2-7,10-15", in quotes when it is a number alone',
  pattern: /^(?:auto|\d{1,5}(?:-\d{1,5})?(?: ?, ?\d{1,5}(?:-\d{1,5})?)*)$/,
  reader: (text) => {
    if (text === 'auto') return text;
    const cpus = parseCpuList(text);
    return cpus && cpuList(cpus);
  },
  description:
    'CPUs of the host, such as 2-7,10-15; auto: those that the virtual CPUs, the emulator and the I/O threads are pinned to in the XML of the guest.',
});

/** CPUs that a guest has to itself. */
export const cpus = v.pipe(
  closed({
    isolate: list,
    irqs: v.exactOptional(
      v.pipe(
        v.boolean(expected('true or false')),
        v.description('Whether interrupts of the host are moved away from these CPUs as well.'),
      ),
    ),
  }),
  v.description('CPUs that services and sessions of the host keep off for the time that the guest runs.'),
  v.transform(({ isolate, irqs = false }) => ({ isolate, irqs })),
);
