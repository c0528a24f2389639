import assert from 'node:assert/strict';
import { answer, attribute, example, radeon, toVfio } from './machines.ts';

describe('reading from a simulated host', () => {
  const host = example('amd-rdna3-desktop').host();

  it('is undefined for what is not there', () => {
    for (const path of [
      '/sys/nosuch',
      attribute('0000:99:00.0', 'vendor'),
      attribute(radeon.gpu, 'vendor/x'),
    ]) {
      assert.equal(host.read(path), undefined, path);
      assert.equal(host.list(path), undefined, path);
      assert.equal(host.readLink(path), undefined, path);
      assert.equal(host.readBytes(path, 4), undefined, path);
      assert.equal(host.tryOpen(path), 'absent', path);
    }
  });

  it('throws an errno error where the kernel refuses', () => {
    assert.throws(() => host.read('/sys/bus/pci/drivers_probe'), { errno: 'EACCES' });
    assert.throws(() => host.read('/sys/bus/pci'), { errno: 'EISDIR' });
    assert.throws(() => host.read('/dev/dri/card1'), { errno: 'ENXIO' });
    assert.throws(() => host.readBytes('/sys/bus/pci/rescan', 1), { errno: 'EACCES' });
  });

  it('lists names in order', () => {
    const names = host.list('/sys/bus/pci/devices') ?? [];
    assert.deepEqual(names, [...names].sort());
    assert.ok(names.includes(radeon.gpu));
    assert.deepEqual(host.list('/sys/kernel/iommu_groups/16/devices'), [radeon.gpu, radeon.audio]);
    assert.deepEqual(host.list('/dev/dri'), ['card0', 'card1', 'renderD128', 'renderD129']);
  });

  it('reads links as sysfs stores them', () => {
    assert.equal(
      host.readLink('/sys/kernel/iommu_groups/18/devices/0000:05:00.0'),
      '../../../../devices/pci0000:00/0000:00:02.1/0000:05:00.0',
    );
    assert.equal(host.readLink(attribute(radeon.gpu, 'vendor')), undefined);
    assert.equal(host.readLink('/sys/bus/pci/drivers/amdgpu/module'), '../../../../module/amdgpu');
    assert.equal(host.readLink('/sys/bus/pci/drivers/pcieport/module'), undefined);
  });

  it('reads several attributes that take a lock, and leaves out what is not there', async () => {
    const paths = [attribute(radeon.gpu, 'driver_override'), attribute(radeon.gpu, 'sriov_numvfs')];
    const result = await host.readLocked(paths, 100);
    assert.deepEqual(result.kind === 'read' && [...result.texts], [[paths[0], '(null)\n']]);
  });
});

describe('a read that would wait for a lock', () => {
  it('is an error when it is made at once, and stuck under a deadline (Linux 6.1)', async () => {
    const machine = example('amd-rdna3-desktop', { kernel: '6.1' });
    const host = machine.host();
    await toVfio(host, radeon.gpu, radeon.audio);
    machine.perform({ do: 'open-group', devices: [radeon.gpu], guest: 'win10' });
    await answer(host, '/sys/bus/pci/drivers/vfio-pci/unbind', radeon.gpu);
    const path = attribute(radeon.gpu, 'driver_override');
    assert.throws(() => host.read(path), { errno: 'EDEADLK' });
    assert.deepEqual(await host.readLocked([attribute(radeon.audio, 'driver_override'), path], 1000), {
      kind: 'stuck',
      path,
    });
    machine.schedule(2000, { do: 'close-group', guest: 'win10' });
    const late = await host.readLocked([path], 5000);
    assert.deepEqual(late.kind === 'read' && late.texts.get(path), 'vfio-pci\n');
  });

  it('can be made by a fault', async () => {
    const machine = example('amd-rdna3-desktop');
    const host = machine.host();
    const path = attribute(radeon.gpu, 'driver_override');
    const rule = { id: 'deaf', on: 'read', path, effect: { kind: 'hang' } } as const;
    machine.perform({ do: 'fault', rule });
    assert.deepEqual(await host.readLocked([path], 1000), { kind: 'stuck', path });
    assert.equal((await host.readLocked([path], 1000)).kind, 'read');
  });
});

describe('a write that is stuck', () => {
  it('is named with its writer, which is alive until it returns', async () => {
    const machine = example('amd-rdna3-desktop');
    const host = machine.host();
    machine.perform({ do: 'fault', rule: { id: 'stop', path: '*/unbind', effect: { kind: 'hang' } } });
    const path = '/sys/bus/pci/drivers/amdgpu/unbind';
    const result = await host.write(path, radeon.gpu, 1000);
    assert.ok(result.kind === 'stuck');
    assert.notEqual(result.writer.pid, host.self().pid);
    assert.deepEqual(host.blockedWrites(), [{ path, value: radeon.gpu, writer: result.writer }]);
    host.die();
    const other = machine.host();
    assert.ok(other.isAlive(result.writer));
    assert.equal(other.blockedWrites().length, 1);
    machine.perform({ do: 'release-fault', id: 'stop' });
    assert.ok(!other.isAlive(result.writer));
    assert.deepEqual(other.blockedWrites(), []);
  });

  it('returns as soon as another process lets it go on', async () => {
    const machine = example('amd-rdna3-desktop');
    const host = machine.host();
    machine.perform({ do: 'fault', rule: { id: 'stop', path: '*/unbind', effect: { kind: 'hang' } } });
    const waiting = answer(host, '/sys/bus/pci/drivers/amdgpu/unbind', radeon.gpu, 600_000);
    await machine.store.pause(1000);
    machine.perform({ do: 'release-fault', id: 'stop' });
    assert.equal(await waiting, 'ok');
  });
});

describe('write', () => {
  it('adds the newline that writeRaw does not', async () => {
    const machine = example('amd-rdna3-desktop');
    const host = machine.host();
    const path = attribute(radeon.gpu, 'driver_override');
    await host.write(path, '', 100);
    await host.writeRaw(path, '', 100);
    assert.deepEqual(
      machine.journal().map((entry) => entry.value),
      ['\n', ''],
    );
  });
});
