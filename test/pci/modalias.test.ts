import assert from 'node:assert/strict';
import {
  bestHostModule,
  parseBuiltinAliases,
  parseHostAliases,
  parseVfioAliases,
} from '../../src/pci/modalias.ts';

const CARD = 'pci:v000010DEd00001E07sv00001043sd0000866Abc03sc00i00';

/** As depmod writes it, the `*` at the end of each included. */
const ALIASES = [
  '# Aliases extracted from modules themselves.',
  'alias pci:v000010DEd*sv*sd*bc03sc*i* nouveau',
  'alias pci:v000010DEd*sv*sd*bc03sc00i00* nvidia',
  'alias pci:v000010DEd00001E07sv*sd*bc*sc*i* some_vfio_pci',
  'alias pci:v00008086d00001572sv*sd*bc*sc*i* i40e',
  'alias pci:v*d*sv*sd*bc0Csc03i30* xhci_pci',
  'alias vfio_pci:v000015B3d0000101Esv*sd*bc*sc*i* mlx5_vfio_pci',
  'alias usb:v1234p* other',
  '',
].join('\n');

describe('parseHostAliases', () => {
  it('has the lines of these vendors and those of all, and no vfio_pci line', () => {
    assert.deepEqual(
      parseHostAliases(ALIASES, ['10de']).map(({ module }) => module),
      ['nouveau', 'nvidia', 'some_vfio_pci', 'xhci_pci'],
    );
    assert.deepEqual(
      parseVfioAliases(ALIASES).map(({ module }) => module),
      ['mlx5_vfio_pci'],
    );
  });
});

describe('parseBuiltinAliases', () => {
  it('reads modules.builtin.modinfo: entries end with a NUL', () => {
    const text =
      'nvme.license=GPL v2\0nvme.alias=pci:v*d*sv*sd*bc01sc08i02*\0nvme.alias=of:x\0ahci.alias=pci:v*d*sv*sd*bc01sc06i01*\0';
    assert.deepEqual(parseBuiltinAliases(text), [
      { module: 'nvme', pattern: 'v*d*sv*sd*bc01sc08i02*' },
      { module: 'ahci', pattern: 'v*d*sv*sd*bc01sc06i01*' },
    ]);
  });
});

describe('bestHostModule', () => {
  it('is the most specific one that is no vfio driver', () => {
    assert.equal(bestHostModule(CARD, parseHostAliases(ALIASES, ['10de'])), 'nvidia');
  });

  it('goes by class where no vendor is named', () => {
    const usb = 'pci:v00001022d000043F7sv00001B21sd00001142bc0Csc03i30';
    assert.equal(bestHostModule(usb, parseHostAliases(ALIASES, ['1022'])), 'xhci_pci');
  });

  it('is none where nothing fits', () => {
    assert.equal(bestHostModule('pci:v0000FFFFd00000001sv*', parseHostAliases(ALIASES, ['ffff'])), undefined);
    assert.equal(bestHostModule('', parseHostAliases(ALIASES, ['10de'])), undefined);
  });
});
