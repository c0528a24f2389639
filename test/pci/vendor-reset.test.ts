import assert from 'node:assert/strict';
import { familyOfVendorReset } from '../../src/pci/vendor-reset.ts';

describe('familyOfVendorReset', () => {
  const rows: readonly (readonly [device: string, family: string | undefined, card: string])[] = [
    ['67df', 'Polaris 10', 'Radeon RX 580'],
    ['67c4', 'Polaris 10', 'Radeon Pro WX 7100'],
    ['6fdf', 'Polaris 10', 'Radeon RX 580 2048SP'],
    ['67ef', 'Polaris 11', 'Radeon RX 560'],
    ['67ff', 'Polaris 11', 'Radeon RX 550 640SP'],
    ['699f', 'Polaris 12', 'Radeon RX 550'],
    ['6981', 'Polaris 12', 'Radeon Pro WX 3100'],
    ['687f', 'Vega 10', 'Radeon RX Vega 64'],
    ['6863', 'Vega 10', 'Radeon Vega Frontier Edition'],
    ['66af', 'Vega 20', 'Radeon VII'],
    ['731f', 'Navi 10', 'Radeon RX 5700 XT'],
    ['7362', 'Navi 12', 'Radeon Pro V520'],
    ['7340', 'Navi 14', 'Radeon RX 5500 XT'],
    ['69af', undefined, 'Vega 12, which the module does not know'],
    ['73bf', undefined, 'Navi 21'],
    ['744c', undefined, 'Navi 31'],
  ];
  for (const [device, family, card] of rows) {
    it(`${device} is ${family ?? 'none of them'}: ${card}`, () => {
      assert.equal(familyOfVendorReset({ vendor: '1002', device, class: '030000' }), family);
    });
  }

  it('is for graphics of AMD', () => {
    assert.equal(familyOfVendorReset({ vendor: '10de', device: '67df', class: '030000' }), undefined);
    assert.equal(familyOfVendorReset({ vendor: '1002', device: '67df', class: '040300' }), undefined);
  });
});
