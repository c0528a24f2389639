import assert from 'node:assert/strict';
import type { Host } from '../../../src/host/host.ts';
import { readUses } from '../../../src/observe/uses/uses.ts';
import type { PciDevice } from '../../../src/pci/device.ts';
import { audio, device, driverless, gpu } from '../../plan/snapshots.ts';
import { fakeHost } from '../../host/fake-host.ts';

/** A host with a card that is all that a card can be for a host, and remembers what it was asked. */
function machine(): { readonly host: Host; readonly asked: string[][]; readonly read: string[] } {
  const shown = fakeHost({
    links: { '/sys/class/graphics/fb0': '../../devices/pci0000:00/0000:03:00.0/graphics/fb0' },
    files: {
      '/sys/class/vtconsole/vtcon0/name': '(M) frame buffer device\n',
      '/sys/class/vtconsole/vtcon0/bind': '1\n',
      '/sys/bus/pci/devices/0000:03:00.0/drm/card1/dev': '226:1\n',
      '/sys/bus/pci/devices/0000:03:00.1/sound/card1/controlC1/dev': '116:1\n',
    },
  });
  const asked: string[][] = [];
  const read: string[] = [];
  const host: Host = {
    ...shown,
    list: (path) => {
      read.push(path);
      return shown.list(path);
    },
    read: (path) => {
      read.push(path);
      return shown.read(path);
    },
    openFiles: (paths) => {
      if (paths.length > 0) asked.push([...paths]);
      return { holders: paths.map((path, index) => ({ pid: index + 1, name: 'program', path })), unseen: [] };
    },
  };
  return { host, asked, read };
}

const reasons = async (devices: readonly PciDevice[]): Promise<string[]> =>
  (await readUses(machine().host, devices, 1000)).map((use) => `${use.device.slice(-4)} ${use.reason}`);

describe('readUses', () => {
  const card = gpu({ bootVga: true });

  it('has what is known of each device, in the order of devices and reasons', async () => {
    assert.deepEqual(await reasons([card, audio()]), [
      '00.0 boot-vga',
      '00.0 console',
      '00.0 held',
      '00.1 held',
    ]);
  });

  const rows: readonly (readonly [name: string, device: PciDevice, reasons: readonly string[]])[] = [
    ['is on a vfio driver', gpu({ bootVga: true, driver: 'vfio-pci', onVfio: true }), []],
    ['is on a vfio variant driver', gpu({ bootVga: true, driver: 'nvgrace_gpu_vfio_pci', onVfio: true }), []],
    ['is on a stub', gpu({ bootVga: true, driver: 'pci-stub' }), []],
    ['is a bridge', gpu({ bootVga: true, headerType: 'bridge' }), []],
    ['is a part of the board', gpu({ bootVga: true, class: '060100' }), []],
    ['has no driver, but the screen', driverless(card), ['00.0 boot-vga', '00.0 console']],
  ];
  for (const [name, each, expected] of rows) {
    it(`for a device that ${name}: ${expected.join(', ') || 'nothing'}`, async () => {
      assert.deepEqual(await reasons([each]), expected);
    });
  }

  it('asks for the holders of all nodes at once', async () => {
    const { host, asked } = machine();
    await readUses(host, [card, audio()], 1000);
    assert.deepEqual(asked, [['/dev/dri/card1', '/dev/snd/controlC1']]);
  });

  it('reads nothing of disks, keyboards and the network for a graphics card and its sound', async () => {
    const { host, read } = machine();
    await readUses(host, [card, audio()], 1000);
    assert.deepEqual(
      read.filter((path) => !/^\/sys\/(?:bus\/pci|module|class\/(?:graphics|vtconsole))/.test(path)),
      [],
    );
  });

  it('asks for nobody when no device has nodes, and reads nothing without devices', async () => {
    const { host, asked, read } = machine();
    assert.deepEqual(
      await readUses(host, [device('06:00.0', { class: '0c0330', driver: 'xhci_hcd' })], 1000),
      [],
    );
    assert.deepEqual(asked, []);
    read.length = 0;
    assert.deepEqual(await readUses(host, [], 1000), []);
    assert.deepEqual(read, []);
  });
});
