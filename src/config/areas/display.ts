import * as v from 'valibot';
import { parsePciAddress } from '../../pci/address.ts';
import { ADDRESS, closed, read } from '../forms.ts';
import { units } from './services.ts';

/** The screen of the host, for a guest that gets the card it is on. */
export const display = v.pipe(
  closed({
    release: read({
      what: 'no card',
      write: 'auto, or an address "0000:01:00.0" in quotes',
      pattern: new RegExp(`^(?:${ADDRESS}|auto)$`),
      reader: (text) => (text === 'auto' ? text : parsePciAddress(text)),
      description:
        'The graphics card that the host shows its screen on and the guest gets; auto: those that the guest is assigned.',
    }),
    stop: v.exactOptional(
      units('Further units that are stopped for it; those that ran before are started again afterwards.'),
    ),
  }),
  v.description(
    'The display manager is stopped, and text console and firmware leave the card, for the time that the guest runs. Only in the file of a guest.',
  ),
  v.transform(({ release, stop = [] }) => ({ release, stop })),
);
