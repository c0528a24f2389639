import assert from 'node:assert/strict';
import { isDriverName } from '../../src/pci/driver-name.ts';

describe('isDriverName', () => {
  for (const name of [
    'vfio-pci',
    'mlx5_vfio_pci',
    '8139too',
    '3w-9xxx',
    'MTD PCI',
    'hexium HV-PCI!Orion',
    'x',
    'a'.repeat(64),
  ]) {
    it(`takes ${JSON.stringify(name)}`, () => {
      assert.equal(isDriverName(name), true);
    });
  }
  for (const name of [
    '',
    ' ',
    'a ',
    ' a',
    '.',
    '..',
    '../d',
    'a/b',
    '-r',
    '--help',
    'a\nb',
    'a\0b',
    'a\u001b[2J',
    'a\u009bb',
    'a\u202eb',
    'ä',
    '$(id)',
    'a;b',
    'a'.repeat(65),
  ]) {
    it(`refuses ${JSON.stringify(name)}`, () => {
      assert.equal(isDriverName(name), false);
    });
  }
});
