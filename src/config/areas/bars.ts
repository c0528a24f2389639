import * as v from 'valibot';
import { parseBarSize } from '../../pci/bar.ts';
import { closed, read } from '../forms.ts';

const POWERS = Array.from({ length: 20 }, (_, bit) => String(2 ** bit));
const SIZE = new RegExp(`^(?:${POWERS.join('|')}) ?[mMgGtT](?:[iI]?[bB])?$`);

const barSize = read({
  what: 'no BAR size',
  write: 'a power of two from 1MiB to 128TiB',
  pattern: SIZE,
  reader: parseBarSize,
  description: 'A power of two from 1MiB to 128TiB, such as 8MiB or 16GiB.',
});

/** Sizes of BARs by their indices. */
export const bars = v.pipe(
  closed({
    '0': v.exactOptional(barSize),
    '1': v.exactOptional(barSize),
    '2': v.exactOptional(barSize),
    '3': v.exactOptional(barSize),
    '4': v.exactOptional(barSize),
    '5': v.exactOptional(barSize),
  }),
  v.description('Size of each BAR by its index, for the time that the guest has the device.'),
  v.transform(
    (sizes): ReadonlyMap<number, number> =>
      new Map(Object.entries(sizes).map(([index, bytes]) => [Number(index), bytes])),
  ),
);
