import * as v from 'valibot';
import { parsePciAddress } from '../../pci/address.ts';
import { ADDRESS, closed, expected, read, wholeNumber } from '../forms.ts';

const card = read({
  what: 'no card',
  write: 'an address "0000:02:00.0" in quotes',
  pattern: new RegExp(`^(?:${ADDRESS})$`),
  reader: parsePciAddress,
  description: 'The card (physical function), by its PCI address.',
});

const count = v.union(
  [
    wholeNumber({ least: 1, most: 65_535, description: 'How many.', or: 'all or ' }),
    v.pipe(v.literal('all'), v.description('As many as the card can have; NVIDIA cards have all or none.')),
  ],
  expected('all or a whole number from 1 to 65535'),
);

/** Cards whose virtual functions are made for guests. */
export const sriov = v.pipe(
  v.array(
    v.pipe(
      closed({
        pf: card,
        vfs: v.pipe(
          count,
          v.description('How many virtual functions the card has while a guest needs one of them.'),
        ),
        autoprobe: v.exactOptional(
          v.pipe(
            v.boolean(expected('true or false')),
            v.description('Whether drivers of the host take those that no guest has.'),
          ),
        ),
      }),
      v.transform(({ autoprobe = false, ...rest }) => ({ ...rest, autoprobe })),
    ),
    expected('a list (each entry begins with "-")'),
  ),
  v.checkItems(
    ({ pf }, index, all) => all.findIndex((each) => each.pf === pf) === index,
    'this card is in the list already: it has one number of virtual functions',
  ),
  v.description(
    'Only in config.yaml: virtual functions of cards (SR-IOV), made with the first guest that is assigned one, gone with the last.',
  ),
);
