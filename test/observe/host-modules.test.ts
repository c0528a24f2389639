import assert from 'node:assert/strict';
import { hostModules } from '../../src/observe/host-modules.ts';
import { device } from '../plan/snapshots.ts';
import { fakeHost } from '../host/fake-host.ts';

const card = device('03:00.0');
const disk = device('04:00.0', {
  vendor: '144d',
  modalias: 'pci:v0000144Dd0000A808sv0000144Dsd0000A801bc01sc08i02',
});

describe('hostModules', () => {
  it('looks into modules.alias and, for what is built in, into modules.builtin.modinfo', () => {
    const host = fakeHost({
      files: {
        '/lib/modules/6.12/modules.alias': 'alias pci:v00001002d0000744Csv*sd*bc*sc*i* amdgpu\n',
        '/lib/modules/6.12/modules.builtin.modinfo': 'nvme.alias=pci:v*d*sv*sd*bc01sc08i02*\0',
      },
    });
    assert.deepEqual(
      [...hostModules(host, '6.12', [card, disk])],
      [
        [card.address, 'amdgpu'],
        [disk.address, 'nvme'],
      ],
    );
  });

  it('says nothing without these files, and reads none when nobody asks', () => {
    assert.deepEqual([...hostModules(fakeHost({}), '6.12', [card])], []);
    const refusing = { ...fakeHost({}), read: () => assert.fail('it was read') };
    assert.deepEqual([...hostModules(refusing, '6.12', [])], []);
  });
});
