import * as v from 'valibot';
import { expected } from '../forms.ts';

/** Whether the host may sleep while a guest runs. */
export const sleep = v.pipe(
  v.picklist(['allow', 'block'], expected('allow or block')),
  v.description(
    'Whether the host may be suspended or hibernated while the guest runs: block keeps it awake, since most devices do not survive it in a guest.',
  ),
);
