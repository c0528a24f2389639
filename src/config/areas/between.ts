import * as v from 'valibot';
import type { BetweenEntry } from '../config.ts';
import { SCRIPT_TREE } from '../../script-places.ts';
import { closed, expected, read } from '../forms.ts';
import { bars } from './bars.ts';

/** No slash, so that it is in that directory; no dot in front, so that it is no hidden file and not the directory. */
const NAME = /^[A-Za-z0-9_][A-Za-z0-9_.@+-]{0,199}$/;

const script = read({
  what: 'no name of a script',
  write:
    'the name of a file alone, in quotes when it looks like a number: it is in qemu.d/GUEST/prepare/between',
  pattern: NAME,
  reader: (text) => text,
  description: `A script's file name: it is in ${SCRIPT_TREE}/GUEST/prepare/between.`,
});

const power = v.pipe(
  v.picklist(['on', 'auto'], expected('on or auto')),
  v.description('power/control from here on; vfio-pci sets auto when it binds.'),
);

const ONE = 'one of reset, power, bars and script in each entry';

const entry = v.pipe(
  closed({
    reset: v.exactOptional(
      v.pipe(v.literal(true, expected('true')), v.description('A reset, by the methods of reset_method.')),
    ),
    power: v.exactOptional(power),
    bars: v.exactOptional(bars),
    script: v.exactOptional(script),
  }),
  v.minEntries(1, ONE),
  v.maxEntries(1, ONE),
  v.description('One thing that is done to the device while no driver has it: one key.'),
  v.transform(({ power: to, bars: sizes, script: name }): BetweenEntry => {
    if (to !== undefined) return { do: 'power', to };
    if (sizes) return { do: 'bars', sizes: [...sizes].map(([bar, size]) => ({ bar, size })) };
    return name === undefined ? { do: 'reset' } : { do: 'script', name };
  }),
);

/** What is done to a device between its unbind and its bind. */
export const between = v.pipe(
  v.array(entry, expected('a list (each entry begins with "-")')),
  v.check((entries) => {
    const sized = entries.flatMap((each) => (each.do === 'bars' ? each.sizes.map(({ bar }) => bar) : []));
    return new Set(sized).size === sized.length;
  }, 'a BAR has two sizes'),
  v.description(
    'What is done to the device after it was taken from its driver and before the next one gets it, in order.',
  ),
);
