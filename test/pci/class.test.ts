import assert from 'node:assert/strict';
import {
  builtInClassName,
  isBridgeClass,
  isDisplay,
  isOftenGiven,
  isSystemClass,
  isVga,
} from '../../src/pci/class.ts';

describe('class codes', () => {
  /** Each code with what it is: display, vga, bridge, system. */
  const codes: readonly (readonly [code: string, name: string, is: string])[] = [
    ['030000', 'VGA compatible controller', 'display vga'],
    ['030001', 'VGA compatible controller', 'display vga'],
    ['030200', '3D controller', 'display'],
    ['038000', 'Display controller', 'display'],
    ['040300', 'Audio device', ''],
    ['060000', 'Host bridge', 'bridge'],
    ['060100', 'ISA bridge', 'bridge'],
    ['060400', 'PCI bridge', 'bridge'],
    ['068000', 'Bridge', 'bridge'],
    ['0c0500', 'SMBus', 'system'],
    ['0c0330', 'USB controller', ''],
    ['080000', 'PIC', 'system'],
    ['080300', 'Generic system peripheral', 'system'],
    ['080501', 'SD Host controller', ''],
    ['080600', 'IOMMU', 'system'],
    ['088000', 'System peripheral', ''],
    ['010802', 'Non-Volatile memory controller', ''],
    ['010601', 'SATA controller', ''],
    ['020000', 'Ethernet controller', ''],
    ['000200', 'Unclassified device', ''],
    ['120000', 'Processing accelerators', ''],
    ['ff0000', 'Unassigned class', ''],
  ];
  for (const [code, name, is] of codes) {
    it(`${code}: ${name}${is && `, ${is}`}`, () => {
      const facts = {
        display: isDisplay(code),
        vga: isVga(code),
        bridge: isBridgeClass(code),
        system: isSystemClass(code),
      };
      const found = Object.entries(facts).flatMap(([fact, holds]) => (holds ? [fact] : []));
      assert.equal(found.join(' '), is);
      assert.equal(builtInClassName(code), name);
    });
  }

  it('has no name for a class that nobody has assigned', () => {
    assert.equal(builtInClassName('7f0000'), undefined);
    assert.equal(builtInClassName(''), undefined);
  });

  it('does not take a digit elsewhere in the code for the class', () => {
    assert.equal(isDisplay('0c0300'), false);
    assert.equal(isBridgeClass('010600'), false);
    assert.equal(isVga('003000'), false);
    assert.equal(isSystemClass('0c0805'), false);
  });

  it('knows what people hand to guests', () => {
    const given = [
      '010802',
      '020000',
      '030000',
      '030200',
      '040300',
      '080501',
      '0b4000',
      '0c0330',
      '0d8000',
      '120000',
    ];
    const others = ['060400', '060000', '050000', '088000', '0c0500', '0c8000', '108000', '118000'];
    assert.deepEqual(given.filter(isOftenGiven), given);
    assert.deepEqual(others.filter(isOftenGiven), []);
  });
});
