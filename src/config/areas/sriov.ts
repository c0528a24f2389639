import * as v from 'valibot';
import { parsePciAddress } from '../../pci/address.ts';
import { ADDRESS, closed, expected, HEX, read, wholeNumber } from '../forms.ts';

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

/** One host's address: the lowest bit of the first byte is for groups (IEEE 802). */
const mac = read({
  what: 'no MAC address of one interface',
  write: 'six bytes such as "52:54:00:12:34:56" in quotes, of which the first is even, and not all zeros',
  pattern: new RegExp(`^${HEX}[02468aceACE](?::${HEX}{2}){5}$`),
  reader: (text) => (/^[0:]+$/.test(text) ? undefined : text.toLowerCase()),
  description: 'MAC address. Of an <interface> libvirt sets it.',
});

const flag = (description: string) =>
  v.exactOptional(v.pipe(v.boolean(expected('true or false')), v.description(description)));

/** Milliseconds or microseconds, as the drivers read them: a number of 32 bits. */
const share = (description: string) =>
  v.exactOptional(v.pipe(wholeNumber({ least: 0, most: 2 ** 32 - 1, description }), v.transform(String)));

const UNITS = { K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 } as const;
const bytes = (description: string) =>
  v.exactOptional(
    read({
      what: 'no size',
      write: 'a number with KiB, MiB or GiB, such as 512MiB or 4GiB',
      pattern: /^[1-9]\d{0,5} ?[kKmMgG](?:[iI]?[bB])?$/,
      reader: (text) => {
        const unit = /[a-z]/i.exec(text)?.[0].toUpperCase();
        return String(parseInt(text, 10) * UNITS[unit as keyof typeof UNITS]);
      },
      description,
    }),
  );

const times = {
  exec_quantum_ms: share('Milliseconds that it may use an engine of the card at a time; 0: no limit.'),
  preempt_timeout_us: share('Microseconds within which it must give an engine up; 0: no limit.'),
};

const functionProfile = v.pipe(
  closed({
    ...times,
    vram_quota: bytes('Memory of the card (xe, cards with memory of their own), such as 4GiB.'),
    ggtt_quota: bytes('Room in the global address table (i915-sriov-dkms).'),
    contexts_quota: share('Contexts (i915-sriov-dkms).'),
    doorbells_quota: share('Doorbells (i915-sriov-dkms).'),
  }),
  v.description('What the driver of a graphics card deals out to the function.'),
);

const cardProfile = v.pipe(
  closed({
    ...times,
    sched_priority: v.exactOptional(
      v.pipe(
        v.picklist(['low', 'normal', 'high'], expected('one of low, normal, high')),
        v.description('How the host itself stands with the functions (xe).'),
      ),
    ),
  }),
  v.description('What the driver of a graphics card deals out to the host, while a guest has a function.'),
);

const virtualFunction = closed({
  vf: wholeNumber({
    least: 0,
    most: 65_534,
    description: 'Which one: the number of its link virtfnN below the card.',
  }),
  mac: v.exactOptional(mac),
  vlan: v.exactOptional(
    wholeNumber({
      least: 0,
      most: 4094,
      description: 'VLAN that the card puts it into; 0: none. Of an <interface> libvirt sets it.',
    }),
  ),
  qos: v.exactOptional(
    wholeNumber({ least: 0, most: 7, description: 'Priority of its frames in that VLAN.' }),
  ),
  trust: flag('Whether the guest may change what the card filters by: its MAC address, promiscuous mode.'),
  spoofcheck: flag('Whether the card drops frames with another MAC address than its own.'),
  state: v.exactOptional(
    v.pipe(
      v.picklist(['auto', 'enable', 'disable'], expected('one of auto, enable, disable')),
      v.description('Its link: as that of the card, always up, or always down.'),
    ),
  ),
  maxTxRate: v.exactOptional(
    wholeNumber({ least: 0, most: 2 ** 31 - 1, description: 'Mbit/s that it may send; 0: no limit.' }),
  ),
  profile: v.exactOptional(functionProfile),
});

const functions = v.pipe(
  v.array(
    v.pipe(
      virtualFunction,
      v.forward(
        v.check(
          ({ qos, vlan = 0 }) => qos === undefined || vlan > 0,
          'a priority is a part of a VLAN tag: set vlan as well',
        ),
        ['qos'],
      ),
    ),
    expected('a list (each entry begins with "-")'),
  ),
  v.checkItems(
    ({ vf }, index, all) => all.findIndex((each) => each.vf === vf) === index,
    'this function is in the list already',
  ),
  v.description('What single functions are like while a guest has them. A guest’s file: its own ones only.'),
);

/** Cards whose virtual functions are made for guests. */
export const sriov = v.pipe(
  v.array(
    v.pipe(
      closed({
        pf: card,
        vfs: v.exactOptional(
          v.pipe(
            count,
            v.description(
              'Only in config.yaml: how many virtual functions the card has while a guest needs one of them. Absent: as many as are there.',
            ),
          ),
        ),
        autoprobe: flag('Only in config.yaml: whether drivers of the host take those that no guest has.'),
        unsetMacs: flag(
          'Only in config.yaml: nobody sets MAC addresses of its functions through the card but libvirt and vfio-hook, so what they leave is cleared.',
        ),
        profile: v.exactOptional(cardProfile),
        functions: v.exactOptional(functions),
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
    'Virtual functions of cards (SR-IOV): made with the first guest that is assigned one, gone with the last, and what they are like.',
  ),
);
