import assert from 'node:assert/strict';
import { locationOf, parseLink } from '../../src/pci/topology.ts';

describe('locationOf', () => {
  const places: Readonly<Record<string, readonly [target: string, place: unknown]>> = {
    'a device on a root bus has no bridge above it': [
      '../../../devices/pci0000:00/0000:00:02.0',
      { address: '0000:00:02.0', rootBus: '0000:00' },
    ],
    'a card behind two bridges is behind the nearer one': [
      '../../../devices/pci0000:16/0000:16:02.0/0000:17:00.0/0000:18:08.0',
      { address: '0000:18:08.0', rootBus: '0000:16', parent: '0000:17:00.0' },
    ],
    'a device of a domain that VMD makes is behind VMD': [
      '../../../devices/pci0000:00/0000:00:0e.0/pci10000:e0/10000:e0:06.0',
      { address: '10000:e0:06.0', rootBus: '10000:e0', parent: '0000:00:0e.0' },
    ],
    'a root bus of a platform device': [
      '../../../devices/platform/soc/30000000.pci/pci0000:00/0000:00:01.0',
      { address: '0000:00:01.0', rootBus: '0000:00' },
    ],
    'no device': ['../../../devices/pci0000:00', undefined],
    'no root bus': ['../0000:00:02.0', undefined],
    nothing: ['', undefined],
  };
  for (const [sentence, [target, place]] of Object.entries(places)) {
    it(sentence, () => {
      assert.deepEqual(locationOf(target), place);
    });
  }
});

describe('parseLink', () => {
  const none = { speed: undefined, width: undefined, maxSpeed: undefined, maxWidth: undefined };

  it('reads the words of the kernel', () => {
    assert.deepEqual(
      parseLink({
        speed: '2.5 GT/s PCIe\n',
        width: '8\n',
        maxSpeed: '16.0 GT/s PCIe\n',
        maxWidth: '16\n',
      }),
      { speed: 2.5, width: 8, maxSpeed: 16, maxWidth: 16 },
    );
  });

  it('leaves out a speed or a width that the kernel does not know', () => {
    assert.deepEqual(
      parseLink({ speed: 'Unknown\n', width: '4\n', maxSpeed: 'Unknown\n', maxWidth: '255\n' }),
      {
        width: 4,
      },
    );
  });

  it('is none for conventional PCI, a link that is down and an unknown width', () => {
    for (const width of [undefined, '0\n', '255\n', 'x\n'])
      assert.equal(parseLink({ ...none, speed: '8.0 GT/s PCIe\n', width }), undefined);
  });
});
