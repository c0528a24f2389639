import assert from 'node:assert/strict';
import { knownDrivers, offeredVariants } from '../../src/observe/known-drivers.ts';
import { fakeHost } from '../host/fake-host.ts';

const host = fakeHost({
  files: {
    '/proc/sys/kernel/osrelease': '6.12\n',
    '/lib/modules/6.12/modules.alias':
      'alias pci:v000010DEd*sv*sd*bc03sc00i00* nouveau\n' +
      'alias pci:v00008086d00001000sv*sd*bc*sc*i* e1000\n' +
      'alias vfio_pci:v*d*sv*sd*bc*sc*i* vfio_pci\n' +
      'alias vfio_pci:v000015B3d0000101Esv*sd*bc*sc*i* mlx5_vfio_pci\n',
    '/lib/modules/6.12/modules.builtin.modinfo':
      'nvme.alias=pci:v*d*sv*sd*bc01sc08i02*\0xe_vfio_pci.alias=vfio_pci:v00008086d0000E20Bsv*sd*bc*sc*i*\0',
    '/lib/modules/6.12/modules.dep':
      'kernel/drivers/vfio/pci/mlx5/mlx5-vfio-pci.ko.zst: kernel/drivers/vfio/vfio.ko.zst\n' +
      'kernel/drivers/gpu/drm/nouveau/nouveau.ko.xz:\n' +
      'kernel/drivers/uio/uio_pci_generic.ko:\n' +
      'updates/dkms/e1000.ko:\n',
  },
  links: {
    '/sys/bus/pci/drivers/e1000/module': '../../../../module/e1000',
  },
  empty: ['nvme', 'pci-stub', 'xe-vfio-pci'].map((driver) => `/sys/bus/pci/drivers/${driver}`),
});

describe('knownDrivers', () => {
  it('tells them by what the kernel has registered and what depmod has found', () => {
    assert.deepEqual(
      knownDrivers(host, [
        'mlx5-vfio-pci',
        'nouveau',
        'e1000',
        'nvme',
        'pci-stub',
        'xe_vfio_pci',
        'uio-pci-generic',
        'nosuch',
        'no.uveau',
        'nouveau',
      ]),
      [
        { name: 'mlx5-vfio-pci', kind: 'vfio', module: 'mlx5_vfio_pci' },
        { name: 'nouveau', kind: 'host', module: 'nouveau' },
        { name: 'e1000', kind: 'host', module: 'e1000' },
        { name: 'nvme', kind: 'host' },
        { name: 'pci-stub', kind: 'stub' },
        { name: 'xe_vfio_pci', kind: 'vfio' },
        { name: 'uio-pci-generic', kind: 'other', module: 'uio_pci_generic' },
        { name: 'nosuch', kind: 'missing' },
        { name: 'no.uveau', kind: 'missing' },
      ],
    );
  });

  it('reads nothing when no driver is named', () => {
    const refusing = { ...fakeHost({}), read: () => assert.fail('it was read') };
    assert.deepEqual(knownDrivers(refusing, []), []);
  });
});

describe('offeredVariants', () => {
  it('names the drivers of vfio_pci: lines, also those that are part of the kernel', () => {
    assert.deepEqual(
      offeredVariants(host).map(({ module }) => module),
      ['mlx5_vfio_pci', 'xe_vfio_pci'],
    );
  });
});
