import * as v from 'valibot';
import { parsePageSize } from '../../pci/hugepages.ts';
import { closed, expected, read, wholeNumber } from '../forms.ts';

/** Powers of two from 64 KiB to 16 GiB: what any processor has as a huge page. */
const SIZE =
  /^(?:(?:64|128|256|512) ?[kK]|(?:1|2|4|8|16|32|64|128|256|512) ?[mM]|(?:1|2|4|8|16) ?[gG])(?:[iI]?[bB])?$/;

const size = read({
  what: 'no size of a huge page',
  write: 'a power of two from 64KiB to 16GiB, such as 2MiB or 1GiB',
  pattern: SIZE,
  reader: parsePageSize,
  description: 'Size of one page, such as 2MiB or 1GiB.',
});

/** More than any host has room for. */
const MOST = 2 ** 30;

const count = v.union(
  [
    wholeNumber({ least: 0, most: MOST, description: 'How many pages.', or: 'auto or ' }),
    v.pipe(
      v.literal('auto'),
      v.description(
        'As many as the memory of the guest needs, as far as its XML asks for pages of this size.',
      ),
    ),
  ],
  expected(`auto or a whole number from 0 to ${MOST}`),
);

/** Huge pages for the memory of a guest. */
export const hugepages = v.pipe(
  closed({
    size,
    count: v.pipe(
      count,
      v.description('How many pages are added to the pool for the time that the guest runs.'),
    ),
    node: v.exactOptional(
      wholeNumber({
        least: 0,
        most: 1023,
        description: 'Number of the NUMA node that they are on; absent: any.',
      }),
    ),
  }),
  v.description('Huge pages that are added to those of the host for the time that the guest runs.'),
  v.transform(({ size: sizeKb, ...rest }) => ({ sizeKb, ...rest })),
);
