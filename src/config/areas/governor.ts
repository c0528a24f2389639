import * as v from 'valibot';
import { governors } from '../../pci/frequency.ts';
import { expected } from '../forms.ts';

/** How fast the cores of a guest run. `userspace` is no choice: it does nothing unless a program goes on telling it. */
export const governor = v.pipe(
  v.picklist(governors, expected(`one of ${governors.join(', ')}`)),
  v.description(
    'CPU frequency governor of the cores that the guest runs on, for the time that it does; performance sets their energy-performance preference as well.',
  ),
);
