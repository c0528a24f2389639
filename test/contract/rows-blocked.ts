import type { Row } from './contract.ts';
import { bind, driver, groupNode, open, override, probe, reads, set, toVfio, unbind } from './words.ts';

const heldByGuest = [...toVfio('nic', 'e1000e'), open('a', 'nic')];
const removing = [...heldByGuest];

/** What waits in the kernel: rows 19, 20, 22 and 60 to 62, and the effects that come late. */
export const blockedRows: readonly Row[] = [
  {
    id: '19',
    name: 'unbind of a device that a guest has open waits, without its link, until the guest is gone',
    setup: heldByGuest,
    operation: unbind('vfio-pci', 'nic'),
    expect: 'blocks',
    after: [driver('nic', null), groupNode('nic', true)],
    then: [
      { operation: { killBlocked: true }, expect: 'ok', after: [groupNode('nic', true)] },
      { operation: { closeGroup: 'a' }, expect: 'ok', after: [driver('nic', null), groupNode('nic', false)] },
    ],
  },
  {
    id: '20',
    name: 'unbind of a sound card waits while a process has one of its nodes open; the nodes are gone at once',
    setup: [{ holdNode: 'gpuAudio' }],
    operation: unbind('snd_hda_intel', 'gpuAudio'),
    expect: 'blocks',
    after: [driver('gpuAudio', null), { exists: '/dev/snd/controlC0', is: false }],
    then: [
      { operation: bind('snd_hda_intel', 'gpuAudio'), expect: 'blocks' },
      { operation: { releaseNode: 'gpuAudio' }, expect: 'ok', after: [driver('gpuAudio', 'snd_hda_intel')] },
    ],
  },
  {
    id: '22d',
    name: 'drivers_probe of a device that is being removed is a success at once',
    setup: removing,
    operation: unbind('vfio-pci', 'nic'),
    expect: 'blocks',
    then: [{ operation: probe('nic'), expect: 'ok', after: [driver('nic', null)] }],
  },
  {
    id: '60a',
    name: 'before 6.12 reading driver_override and uevent waits for the remove',
    kernels: ['6.1'],
    setup: removing,
    operation: unbind('vfio-pci', 'nic'),
    expect: 'blocks',
    then: [
      { operation: { read: '{dev nic}/driver_override' }, expect: 'blocks' },
      { operation: { read: '{dev nic}/uevent' }, expect: 'blocks' },
      { operation: { read: '{dev nic}/reset_method' }, expect: 'ok' },
      {
        operation: { read: '{dev nic}/modalias' },
        expect: 'ok',
        after: [reads('nic', 'modalias', 'pci:v00008086d000010D3sv00008086sd00000000bc02sc00i00')],
      },
    ],
  },
  {
    id: '60b',
    name: 'from 6.12 on it does not',
    kernels: ['6.12', '7.2'],
    setup: removing,
    operation: unbind('vfio-pci', 'nic'),
    expect: 'blocks',
    then: [
      { operation: { read: '{dev nic}/driver_override' }, expect: 'ok' },
      { operation: { read: '{dev nic}/uevent' }, expect: 'ok' },
    ],
  },
  {
    id: '61a',
    name: 'before 6.12 writing driver_override waits for the remove',
    kernels: ['6.1'],
    setup: removing,
    operation: unbind('vfio-pci', 'nic'),
    expect: 'blocks',
    then: [
      { operation: override('nic', '\n'), expect: 'blocks' },
      {
        operation: { closeGroup: 'a' },
        expect: 'ok',
        after: [reads('nic', 'driver_override', '(null)'), driver('nic', null)],
      },
    ],
  },
  {
    id: '61b',
    name: 'from 6.12 on it is done at once',
    kernels: ['6.12', '7.2'],
    setup: removing,
    operation: unbind('vfio-pci', 'nic'),
    expect: 'blocks',
    then: [
      { operation: override('nic', '\n'), expect: 'ok', after: [reads('nic', 'driver_override', '(null)')] },
    ],
  },
  {
    id: '62a',
    name: 'a bind that waits takes effect when the guest is gone, also when its writer was killed',
    setup: removing,
    operation: unbind('vfio-pci', 'nic'),
    expect: 'blocks',
    then: [
      { operation: bind('vfio-pci', 'nic'), expect: 'blocks' },
      { operation: { killBlocked: true }, expect: 'ok' },
      { operation: { closeGroup: 'a' }, expect: 'ok', after: [driver('nic', 'vfio-pci')] },
    ],
  },
  {
    id: '62b',
    name: 'an unbind that waits throws out the driver that came in between',
    setup: removing,
    operation: unbind('vfio-pci', 'nic'),
    expect: 'blocks',
    then: [
      { operation: bind('vfio-pci', 'nic'), expect: 'blocks' },
      { operation: unbind('vfio-pci', 'nic'), expect: 'blocks' },
      { operation: { closeGroup: 'a' }, expect: 'ok', after: [driver('nic', null)] },
    ],
  },
  {
    id: '62c',
    name: 'power/control and enable wait for the remove',
    setup: removing,
    operation: unbind('vfio-pci', 'nic'),
    expect: 'blocks',
    then: [
      { operation: set('nic', 'power/control', 'auto'), expect: 'blocks' },
      { operation: set('nic', 'enable', '1'), expect: 'blocks' },
      {
        operation: { closeGroup: 'a' },
        expect: 'ok',
        after: [reads('nic', 'power/control', 'auto'), reads('nic', 'enable', '1')],
      },
    ],
  },
  {
    id: '62d',
    name: 'other devices are not held up',
    setup: removing,
    operation: unbind('vfio-pci', 'nic'),
    expect: 'blocks',
    then: [
      { operation: unbind('nvme', 'nvme'), expect: 'ok', after: [driver('nvme', null)] },
      { operation: probe('nvme'), expect: 'ok', after: [driver('nvme', 'nvme')] },
      { operation: { load: 'igbvf' }, expect: 'ok' },
    ],
  },
];
