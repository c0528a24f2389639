import assert from 'node:assert/strict';
import { isAway, planToHost } from '../../src/plan/to-host.ts';
import { describeStep } from '../../src/steps/index.ts';
import { audio, device, driverless, gpu, snapshot } from './snapshots.ts';

const onVfio = { driver: 'vfio-pci', onVfio: true, driverOverride: 'vfio-pci' };

function lines(devices: Parameters<typeof planToHost>[0], driver?: string): string[] {
  return planToHost(devices, snapshot(devices), driver).map(describeStep);
}

describe('isAway', () => {
  const rows = [
    ['a device on amdgpu', gpu(), false],
    ['a device on vfio-pci', gpu(onVfio), true],
    ['a device on a variant', gpu({ driver: 'mlx5_vfio_pci', onVfio: true }), true],
    ['a device on pci-stub', gpu({ driver: 'pci-stub' }), true],
    ['a device without a driver', driverless(gpu()), true],
  ] as const;
  for (const [name, given, away] of rows) {
    it(`${name}: ${away ? 'yes' : 'no'}`, () => {
      assert.equal(isAway(given), away);
    });
  }
});

describe('planToHost', () => {
  it('unbinds the highest function first, clears overrides, offers the lowest first', () => {
    assert.deepEqual(lines([gpu(onVfio), audio({ ...onVfio, driverOverride: 'vfio_pci' })]), [
      'unbind 0000:03:00.1 from vfio-pci',
      'unbind 0000:03:00.0 from vfio-pci',
      'clear driver override of 0000:03:00.0',
      'clear driver override of 0000:03:00.1',
      'offer 0000:03:00.0 to the drivers of the host',
      'offer 0000:03:00.1 to the drivers of the host',
    ]);
  });

  it('keeps an override that names a driver of the host', () => {
    assert.deepEqual(lines([gpu({ ...onVfio, driverOverride: 'amdgpu' })]), [
      'unbind 0000:03:00.0 from vfio-pci',
      'offer 0000:03:00.0 to the drivers of the host',
    ]);
  });

  it('clears one that names a stub', () => {
    assert.deepEqual(
      lines([gpu({ driver: 'pci-stub', driverOverride: 'pci-stub' })])[1],
      'clear driver override of 0000:03:00.0',
    );
  });

  it('binds the driver that is asked for, however it is spelt, and loads it where it is not there', () => {
    assert.deepEqual(lines([driverless(device('0f:00.3'))], 'xhci-hcd'), ['bind 0000:0f:00.3 to xhci_hcd']);
    assert.deepEqual(lines([gpu({ ...onVfio, driverOverride: 'amdgpu' })], 'radeon'), [
      'load module radeon',
      'unbind 0000:03:00.0 from vfio-pci',
      'clear driver override of 0000:03:00.0',
      'bind 0000:03:00.0 to radeon',
    ]);
  });
});
