import type { Operation, Row, Step } from './contract.ts';
import { override, probe, set } from './words.ts';

const ip = (line: string): Operation => ({ ip: line });
const setVf = (vf: number, what: string): Operation => ip(`link set dev {link igb} vf ${vf} ${what}`);
const keeps = (
  vf: number,
  setting: 'mac' | 'vlan' | 'trust' | 'spoofchk' | 'max_tx_rate',
  is: string,
): Step => ({
  operation: { vf, of: 'igb', setting },
  expect: is,
});
/** A card that is down does not hear of what its functions do. */
const cardUp: Operation = ip('link set dev {link igb} up');
const two: readonly Operation[] = [set('igb', 'sriov_numvfs', '2')];
const withDriver: readonly Operation[] = [{ load: 'igbvf' }, ...two];
const own = (address: string): Operation => ip(`link set dev {link vf0} address ${address}`);

const OWN = '52:54:00:aa:bb:01';
const OTHER = '52:54:00:aa:bb:02';
const ZEROS = '00:00:00:00:00:00';

/** What a network card keeps for its functions, and how they go: rows 80 to 86. */
export const functionRows: readonly Row[] = [
  {
    id: '80',
    name: 'a card keeps a tag, trust, the spoof check and a limit for each function by itself',
    setup: two,
    operation: setVf(1, 'vlan 42 qos 3'),
    expect: 'ok',
    then: [
      keeps(1, 'vlan', '42 qos 3'),
      { operation: setVf(1, 'trust on'), expect: 'ok' },
      keeps(1, 'trust', 'on'),
      { operation: setVf(1, 'spoofchk off'), expect: 'ok' },
      keeps(1, 'spoofchk', 'off'),
      { operation: setVf(1, 'vlan 7'), expect: 'ok' },
      keeps(1, 'vlan', '7'),
      { operation: setVf(1, 'vlan 0'), expect: 'ok' },
      keeps(1, 'vlan', '0'),
      keeps(0, 'trust', 'off'),
      keeps(0, 'spoofchk', 'on'),
      keeps(0, 'max_tx_rate', '0'),
    ],
  },
  {
    id: '81',
    name: 'igb sets no link of a function',
    setup: two,
    operation: setVf(0, 'state enable'),
    expect: 'EOPNOTSUPP',
  },
  {
    id: '82',
    name: 'a function that the card has not is refused',
    setup: two,
    operation: setVf(2, 'trust on'),
    expect: 'EINVAL',
  },
  {
    id: '83',
    name: 'what was kept for functions is lost when they are made again',
    setup: [...two, setVf(0, 'trust on'), setVf(0, 'vlan 42'), set('igb', 'sriov_numvfs', '0')],
    operation: set('igb', 'sriov_numvfs', '2'),
    expect: 'ok',
    then: [keeps(0, 'trust', 'off'), keeps(0, 'vlan', '0')],
  },
  {
    id: '84',
    kernels: ['6.12', '7.2'],
    name: 'the host may change the address of a function until somebody sets it through the card, and again once that is zeros',
    setup: [cardUp, ...withDriver],
    operation: own(OWN),
    expect: 'ok',
    then: [
      { operation: setVf(0, `mac ${OWN}`), expect: 'ok' },
      keeps(0, 'mac', OWN),
      { operation: own(OTHER), expect: 'EADDRNOTAVAIL' },
      { operation: setVf(0, `mac ${ZEROS}`), expect: 'ok' },
      { operation: own(OTHER), expect: 'ok' },
      { operation: ip('link set dev {link igb} down'), expect: 'ok' },
    ],
  },
  {
    id: '84b',
    kernels: ['6.1'],
    name: 'igb does not hear of the addresses of functions that were made while it was up',
    setup: [cardUp, ...withDriver],
    operation: setVf(0, `mac ${OWN}`),
    expect: 'ok',
    then: [
      keeps(0, 'mac', OWN),
      { operation: own(OTHER), expect: 'ok' },
      keeps(0, 'mac', OWN),
      { operation: ip('link set dev {link igb} down'), expect: 'ok' },
    ],
  },
  {
    id: '85',
    name: 'the link to a function goes at once, the function itself with its guest, and the others after it',
    setup: [...two, override('vf0', 'vfio-pci'), probe('vf0'), { openGroup: ['vf0'], guest: 'a' }],
    operation: set('igb', 'sriov_numvfs', '0'),
    expect: 'blocks',
    after: [
      { link: '{dev igb}/virtfn0', is: null },
      { exists: '{dev vf0}', is: true },
      { link: '{dev igb}/virtfn1', is: '0000:02:10.2' },
    ],
    then: [
      {
        operation: { closeGroup: 'a' },
        expect: 'ok',
        after: [
          { exists: '{dev vf0}', is: false },
          { link: '{dev igb}/virtfn1', is: null },
        ],
      },
    ],
  },
];
