import assert from 'node:assert/strict';
import { gpuDirectCliques, knowsCliques, pciPath, type PciPath } from '../../src/pci/cliques.ts';
import { sysfs } from '../../src/pci/sysfs.ts';
import { createMachine } from '../../simulator/machine.ts';
import { machineSpec, pci } from '../scenario.ts';

const path = (address: string, ...bridges: readonly string[]): PciPath => ({
  address: pci(address),
  bridges: bridges.map(pci),
});

/** Root port 16:02.0, switch 17:00.0 with the ports 18:08.0 and 18:10.0. */
const first = path('19:00.0', '16:02.0', '17:00.0', '18:08.0');
const second = path('1a:00.0', '16:02.0', '17:00.0', '18:10.0');
const elsewhere = path('4d:00.0', '4a:02.0', '4b:00.0', '4c:08.0');

const rows: readonly (readonly [
  name: string,
  paths: readonly PciPath[],
  cliques: readonly (number | undefined)[],
])[] = [
  ['two below one switch share one', [first, second], [0, 0]],
  ['a device alone below its switch has none', [first, elsewhere], [undefined, undefined]],
  [
    'two switches are two cliques, numbered in order of the devices',
    [elsewhere, first, path('4e:00.0', '4a:02.0', '4b:00.0', '4c:10.0'), second],
    [0, 1, 0, 1],
  ],
  [
    'two root ports have nothing in common, though they are in one root complex',
    [path('01:00.0', '00:01.0'), path('02:00.0', '00:01.1')],
    [undefined, undefined],
  ],
  [
    'two devices behind one bridge to conventional PCI share none: that is no switch',
    [path('02:00.0', '00:1c.0', '01:00.0'), path('02:01.0', '00:1c.0', '01:00.0')],
    [undefined, undefined],
  ],
  [
    'a switch below a switch: what is below the outer one shares',
    [
      path('08:00.0', '00:01.0', '01:00.0', '02:00.0', '03:00.0', '04:00.0'),
      path('09:00.0', '00:01.0', '01:00.0', '02:08.0', '05:00.0', '06:00.0'),
    ],
    [0, 0],
  ],
  [
    'two functions of one card below a switch share',
    [first, path('19:00.1', '16:02.0', '17:00.0', '18:08.0')],
    [0, 0],
  ],
  ['nothing is nothing', [], []],
];

describe('pciPath', () => {
  it('has the bridges on the way, and none of what makes a domain of its own', () => {
    const vmd = '../../../devices/pci0000:00/0000:00:0e.0/pci10000:e0/10000:e0:06.0/10000:e1:00.0';
    assert.deepEqual(pciPath(pci('10000:e1:00.0'), vmd), path('10000:e1:00.0', '10000:e0:06.0'));
    assert.deepEqual(
      pciPath(
        pci('0000:19:00.0'),
        '../../../devices/pci0000:16/0000:16:02.0/0000:17:00.0/0000:18:08.0/0000:19:00.0',
      ),
      first,
    );
  });
});

describe('gpuDirectCliques', () => {
  for (const [name, paths, cliques] of rows) {
    it(name, () => {
      const made = gpuDirectCliques(paths);
      assert.deepEqual(
        paths.map(({ address }) => made.get(address)),
        cliques,
      );
    });
  }

  it('has sixteen at most: the field has four bits', () => {
    const pairs = Array.from({ length: 17 }, (_, index) => {
      const bus = (0x10 + index).toString(16);
      return ['0', '1'].map((fn) =>
        path(
          `${bus}:00.${fn}`,
          `00:${bus}.0`.replace(/:1(.)\./, ':1$1.').replace('20', '1f'),
          `0001:${bus}:01.0`,
          `0001:${bus}:02.0`,
        ),
      );
    });
    const made = gpuDirectCliques(pairs.flat());
    assert.deepEqual([made.size, Math.max(...made.values())], [32, 15]);
  });
});

describe('pciPath', () => {
  it('reads the bridges out of a link of sysfs, the one at the root first', () => {
    const target = '../../../devices/pci0000:16/0000:16:02.0/0000:17:00.0/0000:18:08.0/0000:19:00.0';
    assert.deepEqual(pciPath(pci('19:00.0'), target), first);
  });

  it('knows of none on a root bus, or when there is no link', () => {
    assert.deepEqual(pciPath(pci('00:02.0'), '../../../devices/pci0000:00/0000:00:02.0').bridges, []);
    assert.deepEqual(pciPath(pci('00:02.0'), '').bridges, []);
  });

  it('of the eight GPUs of a server gives four cliques', () => {
    const host = createMachine(machineSpec('server-8-gpu')).host();
    const gpus = ['19', '1a', '4d', '4e', '8c', '8d', 'cc', 'cd'].map((bus) => pci(`${bus}:00.0`));
    const made = gpuDirectCliques(gpus.map((gpu) => pciPath(gpu, host.readLink(sysfs.device(gpu)) ?? '')));
    assert.deepEqual([...made.values()], [0, 0, 1, 1, 2, 2, 3, 3]);
  });
});

describe('knowsCliques', () => {
  const card = { vendor: '10de', device: '1e07', class: '030000' };
  const rows: readonly (readonly [name: string, device: Partial<typeof card>, knows: boolean])[] = [
    ['TU102, the first of Turing', {}, true],
    ['GA100', { device: '20b5', class: '030200' }, true],
    ['GB200', { device: '2941', class: '030200' }, true],
    ['GP102 of Pascal', { device: '1b38', class: '030200' }, false],
    ['GP100 of Pascal', { device: '15f8', class: '030200' }, false],
    ['GV100 of Volta', { device: '1db4', class: '030200' }, false],
    ['the sound of a card', { device: '10f7', class: '040300' }, false],
    ['a card of another maker', { vendor: '1002', device: '744c' }, false],
  ];
  for (const [name, device, knows] of rows) {
    it(`${name}: ${knows ? 'yes' : 'no'}`, () => {
      assert.equal(knowsCliques({ ...card, ...device }), knows);
    });
  }
});
