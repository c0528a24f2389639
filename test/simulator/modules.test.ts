import assert from 'node:assert/strict';
import { answer, attribute, driverShown, example, radeon, toVfio } from './machines.ts';

describe('loading a module', () => {
  it('loads what it depends on, and what it asks for softly', async () => {
    const host = example('amd-rdna3-desktop').host();
    assert.equal(host.list('/sys/module/vfio_pci'), undefined);
    assert.equal(host.tryOpen('/dev/vfio/vfio'), 'absent');
    assert.deepEqual(await host.loadModule('vfio-pci', 100), { kind: 'loaded' });
    for (const name of ['vfio', 'vfio_pci', 'vfio_pci_core', 'vfio_iommu_type1', 'irqbypass']) {
      assert.ok(host.list(`/sys/module/${name}`), name);
    }
    assert.deepEqual(host.list('/sys/module/vfio_pci_core/holders'), ['vfio_pci']);
    assert.equal(host.read('/sys/module/vfio_iommu_type1/refcnt'), '0\n');
    assert.equal(host.tryOpen('/dev/vfio/vfio'), 'free');
    assert.equal(
      host.readLink('/sys/module/vfio_pci/drivers/pci:vfio-pci'),
      '../../../bus/pci/drivers/vfio-pci',
    );
  });

  it('twice is a success, an unknown one fails with a reason', async () => {
    const host = example('amd-rdna3-desktop').host();
    assert.deepEqual(await host.loadModule('amdgpu', 100), { kind: 'loaded' });
    assert.deepEqual(await host.loadModule('nosuch', 100), {
      kind: 'failed',
      reason: 'Module nosuch not found',
    });
  });

  it('waits for a matching device that is being removed', async () => {
    const machine = example('amd-rdna3-desktop');
    const host = machine.host();
    await toVfio(host, radeon.gpu, radeon.audio);
    await answer(host, '/sys/bus/pci/drivers/vfio-pci/unbind', radeon.audio);
    assert.deepEqual(await host.unloadModule('amdgpu', 100), {
      kind: 'loaded',
    });
    machine.perform({ do: 'open-group', devices: [radeon.gpu], guest: 'win10' });
    await answer(host, '/sys/bus/pci/drivers/vfio-pci/unbind', radeon.gpu);
    await host.writeRaw(attribute(radeon.gpu, 'driver_override'), '\n', 100);
    assert.equal((await host.loadModule('amdgpu', 100)).kind, 'stuck');
    machine.perform({ do: 'close-group', guest: 'win10' });
    assert.equal(driverShown(host, radeon.gpu), 'amdgpu');
  });

  it('does not take devices where drivers_autoprobe is off', async () => {
    const machine = example('nvidia-desktop');
    const host = machine.host();
    await answer(host, '/sys/bus/pci/drivers/nvidia/unbind', '0000:01:00.0');
    await answer(host, '/sys/bus/pci/drivers_autoprobe', '0');
    await host.loadModule('nouveau', 100);
    assert.equal(driverShown(host, '0000:01:00.0'), undefined);
  });
});

describe('the users of a module', () => {
  const users = (host: { read(path: string): string | undefined }, module: string): string | undefined =>
    host.read(`/sys/module/${module}/refcnt`)?.trim();

  it('are the open nodes of its devices, also once the card is gone from the driver', async () => {
    const machine = example('amd-rdna3-desktop');
    const host = machine.host();
    const before = Number(users(host, 'amdgpu'));
    machine.perform({ do: 'hold-node', path: '/dev/dri/card1', program: 'game' });
    assert.equal(users(host, 'amdgpu'), String(before + 1));
    await answer(host, '/sys/bus/pci/drivers/amdgpu/unbind', radeon.gpu);
    assert.equal(users(host, 'amdgpu'), String(before + 1));
    machine.perform({ do: 'release-node', path: '/dev/dri/card1' });
    assert.equal(users(host, 'amdgpu'), String(before));
  });

  it('are not those of a node that another module serves', () => {
    const machine = example('nvidia-desktop');
    const host = machine.host();
    const before = users(host, 'nvidia');
    machine.perform({ do: 'hold-node', path: '/dev/dri/card0', program: 'game' });
    assert.equal(users(host, 'nvidia'), before);
    machine.perform({ do: 'hold-node', path: '/dev/nvidia0', program: 'python3' });
    assert.equal(users(host, 'nvidia'), String(Number(before) + 1));
  });
});

describe('unloading a module', () => {
  it('takes every device off its driver', async () => {
    const machine = example('amd-rdna3-desktop');
    const host = machine.host();
    await toVfio(host, radeon.gpu, radeon.audio);
    assert.equal((await host.unloadModule('vfio_pci', 100)).kind, 'loaded');
    assert.equal(driverShown(host, radeon.gpu), undefined);
    assert.equal(host.list('/sys/bus/pci/drivers/vfio-pci'), undefined);
    assert.equal(host.read(attribute(radeon.gpu, 'driver_override')), 'vfio-pci\n');
  });

  const refused = [
    ['a module whose nodes are open', 'snd_hda_intel', 'EAGAIN'],
    ['a module that is not loaded', 'vfio_pci', 'ENOENT'],
    ['an unknown module', 'nosuch', 'ENOENT'],
  ] as const;
  for (const [what, name, errno] of refused) {
    it(`of ${what} is ${errno}`, async () => {
      const machine = example('amd-rdna3-desktop');
      machine.perform({ do: 'hold-node', path: '/dev/snd/controlC0', program: 'pipewire' });
      const result = await machine.host().unloadModule(name, 100);
      assert.deepEqual(result, { kind: 'failed', reason: `could not unload module ${name}: ${errno}` });
    });
  }
});

describe('modules.alias', () => {
  const alias = '/lib/modules/6.12.117+deb13-amd64/modules.alias';

  it('has a line for each id that a driver takes', () => {
    const text = example('nvidia-desktop').host().read(alias) ?? '';
    assert.match(text, /^alias pci:v000010DEd00001E07sv\*sd\*bc\*sc\*i\* nvidia$/m);
    assert.match(text, /^alias pci:v000010DEd00001E07sv\*sd\*bc\*sc\*i\* nouveau$/m);
    assert.match(text, /^alias vfio_pci:v\*d\*sv\*sd\*bc\*sc\*i\* vfio_pci$/m);
  });

  it('has the vfio drivers for particular devices', () => {
    const text = example('server-8-gpu').host().read(alias) ?? '';
    assert.match(text, /^alias vfio_pci:v000015B3d0000101Esv\*sd\*bc\*sc\*i\* mlx5_vfio_pci$/m);
  });

  it('such a driver takes its device like vfio-pci does', async () => {
    const machine = example('server-8-gpu');
    const host = machine.host();
    const vf = '0000:b1:00.2';
    assert.equal(driverShown(host, vf), 'mlx5_core');
    await host.loadModule('mlx5_vfio_pci', 100);
    assert.ok(host.list('/sys/module/vfio_pci_core'));
    await answer(host, attribute(vf, 'driver_override'), 'mlx5_vfio_pci');
    await answer(host, '/sys/bus/pci/drivers/mlx5_core/unbind', vf);
    assert.equal(await answer(host, '/sys/bus/pci/drivers/mlx5_vfio_pci/bind', vf), 'ok');
    assert.ok(host.list(attribute(vf, 'vfio-dev')));
  });
});
