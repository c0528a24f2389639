import assert from 'node:assert/strict';
import { pciNames } from '../../src/pci/names.ts';

/** A small file in the format of pci.ids; names as lspci prints them for the devices of the recordings. */
const IDS = `#
#	List of PCI ID's
#
0014  First Vendor, Ltd.
	10de  Not NVIDIA, a device of that number
1002  Advanced Micro Devices, Inc. [AMD/ATI]
	744c  Navi 31 [Radeon RX 7900 XT/7900 XTX/7900 GRE/7900M]
		1002 0e3b  Radeon RX 7900 XTX reference
		1da2 e471  NITRO+ RX 7900 XTX Vapor-X
# a comment between devices
	ab30  Navi 31 HDMI/DP Audio
10de  NVIDIA Corporation
	2204  GA102 [GeForce RTX 3090]
1458  Gigabyte Technology Co., Ltd
8086  Intel Corporation
	10c9  82576 Gigabit Network Connection
		8086 0000  Board of zeros

# List of known device classes, subclasses and programming interfaces
C 00  Unclassified device
	00  Non-VGA unclassified device
C 03  Display controller
	00  VGA compatible controller
		00  VGA controller
	02  3D controller
C 06  Bridge
	04  PCI bridge
		00  Normal decode
`;

const gpu = { vendor: '1002', device: '744c', class: '030000', revision: 'c8' };

describe('pciNames', () => {
  const names = pciNames(IDS);

  describe('names a vendor, a device, a class', () => {
    const cases: readonly (readonly [
      title: string,
      name: string | undefined,
      expected: string | undefined,
    ])[] = [
      ['the first vendor', names.vendor('0014'), 'First Vendor, Ltd.'],
      ['a vendor whose number a device has too', names.vendor('10de'), 'NVIDIA Corporation'],
      ['a vendor without devices', names.vendor('1458'), 'Gigabyte Technology Co., Ltd'],
      ['no vendor by the number of a device', names.vendor('744c'), undefined],
      ['a device', names.device('1002', '744c'), 'Navi 31 [Radeon RX 7900 XT/7900 XTX/7900 GRE/7900M]'],
      ['a device behind boards and a comment', names.device('1002', 'ab30'), 'Navi 31 HDMI/DP Audio'],
      ['no device of the next vendor', names.device('1002', '2204'), undefined],
      ['no device of a vendor without devices', names.device('1458', '10c9'), undefined],
      ['no device of an unknown vendor', names.device('ffff', '2204'), undefined],
      ['no subclass taken for a device', names.device('8086', '00'), undefined],
      ['a subclass', names.class('030000'), 'VGA compatible controller'],
      ['a subclass of four digits', names.class('0302'), '3D controller'],
      ['a class for want of the subclass', names.class('0002'), 'Unclassified device'],
      ['a class for want of the subclass, not a name of its own', names.class('0680'), 'Bridge'],
      ['a class that only the built-in table knows', names.class('010802'), 'Non-Volatile memory controller'],
      ['no unknown class', names.class('7f00'), undefined],
    ];
    for (const [title, name, expected] of cases) {
      it(title, () => {
        assert.equal(name, expected);
      });
    }
  });

  describe('describes a device as lspci -nn does', () => {
    const cases: readonly (readonly [title: string, identity: typeof gpu, expected: string])[] = [
      [
        'all known',
        gpu,
        'VGA compatible controller [0300]: Advanced Micro Devices, Inc. [AMD/ATI] Navi 31 [Radeon RX 7900 XT/7900 XTX/7900 GRE/7900M] [1002:744c] (rev c8)',
      ],
      [
        'revision 0',
        { ...gpu, vendor: '10de', device: '2204', revision: '00' },
        'VGA compatible controller [0300]: NVIDIA Corporation GA102 [GeForce RTX 3090] [10de:2204]',
      ],
      [
        'an unknown device',
        { ...gpu, device: '1111', revision: '02' },
        'VGA compatible controller [0300]: Advanced Micro Devices, Inc. [AMD/ATI] Device [1002:1111] (rev 02)',
      ],
      [
        'an unknown vendor',
        { ...gpu, vendor: '1234', device: '1111', revision: '02' },
        'VGA compatible controller [0300]: Device [1234:1111] (rev 02)',
      ],
      [
        'an unknown class',
        { ...gpu, vendor: '1234', device: '1111', class: '7f0000', revision: '00' },
        'Class [7f00]: Device [1234:1111]',
      ],
    ];
    for (const [title, identity, expected] of cases) {
      it(title, () => {
        assert.equal(names.describe(identity), expected);
      });
    }

    it('without class and revision', () => {
      assert.equal(
        names.describeModel({ vendor: '10de', device: '2204' }),
        'NVIDIA Corporation GA102 [GeForce RTX 3090] [10de:2204]',
      );
    });
  });

  describe('describes a board', () => {
    const board = (subsystemVendor: string, subsystemDevice: string): string | undefined =>
      names.describeSubsystem({ vendor: '1002', device: '744c', subsystemVendor, subsystemDevice });
    const cases: readonly (readonly [
      title: string,
      vendor: string,
      device: string,
      expected: string | undefined,
    ])[] = [
      [
        'known, of a known vendor',
        '1002',
        '0e3b',
        'Advanced Micro Devices, Inc. [AMD/ATI] Radeon RX 7900 XTX reference [1002:0e3b]',
      ],
      ['known, of a vendor without entry', '1da2', 'e471', 'Device [1da2:e471]'],
      ['unknown, of a known vendor', '1458', '240e', 'Gigabyte Technology Co., Ltd Device [1458:240e]'],
      ['unknown, of an unknown vendor', '1043', '87b5', 'Device [1043:87b5]'],
      [
        "the device's own ids",
        '1002',
        '744c',
        'Advanced Micro Devices, Inc. [AMD/ATI] Navi 31 [Radeon RX 7900 XT/7900 XTX/7900 GRE/7900M] [1002:744c]',
      ],
      ['of another device', '8086', '0000', 'Intel Corporation Device [8086:0000]'],
      ['none: zeros', '0000', '0000', undefined],
      ['none: ones', 'ffff', 'ffff', undefined],
      ['none: empty', '', '', undefined],
    ];
    for (const [title, vendor, device, expected] of cases) {
      it(title, () => {
        assert.equal(board(vendor, device), expected);
      });
    }
  });

  it('works without pci.ids: ids, and the common classes', () => {
    const bare = pciNames();
    assert.equal(bare.describe(gpu), 'VGA compatible controller [0300]: Device [1002:744c] (rev c8)');
    assert.equal(bare.vendor('1002'), undefined);
    assert.equal(bare.device('1002', '744c'), undefined);
    assert.equal(
      bare.describeSubsystem({ ...gpu, subsystemVendor: '1da2', subsystemDevice: 'e471' }),
      'Device [1da2:e471]',
    );
  });

  it('finds names in a file that is cut off anywhere, or says ids', () => {
    for (let length = 0; length <= IDS.length; length += 1) {
      const text = pciNames(IDS.slice(0, length)).describe(gpu);
      assert.match(text, /^[VD].* \[0300\]: .*\[1002:744c\] \(rev c8\)$/);
    }
  });

  it('takes line ends of another system', () => {
    assert.equal(pciNames(IDS.replaceAll('\n', '\r\n')).device('1002', 'ab30'), 'Navi 31 HDMI/DP Audio');
  });

  it('looks names up in a file of full size in little time', () => {
    const filler = Array.from(
      { length: 20_000 },
      (_, i) => `\t${i.toString(16).padStart(4, '0')}  A device with a name of usual length`,
    );
    const big = pciNames(`0001  Big\n${filler.join('\n')}\n${IDS}`);
    const start = performance.now();
    for (let round = 0; round < 20; round += 1) big.describe(gpu);
    assert.ok(performance.now() - start < 1000);
    assert.equal(big.device('1002', 'ab30'), 'Navi 31 HDMI/DP Audio');
  });
});
