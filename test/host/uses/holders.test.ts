import assert from 'node:assert/strict';
import { hintText } from '../../../src/hint.ts';
import type { Holder } from '../../../src/host/host.ts';
import { deviceNodes, heldUses } from '../../../src/host/uses/holders.ts';
import { sysfs } from '../../../src/pci/sysfs.ts';
import { audio, device, gpu } from '../../plan/snapshots.ts';
import { fakeHost } from '../fake-host.ts';

/** Files that a device shows below its directory. */
function entries(address: string, ...names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.map((name) => [`/sys/bus/pci/devices/${address}/${name}`, '']));
}

const GPU = '0000:03:00.0';
const NVIDIA = '/sys/bus/pci/drivers/nvidia';

describe('deviceNodes', () => {
  it('finds nodes of graphics, frame buffers, video and sound, and no others', async () => {
    const host = fakeHost({
      files: {
        ...entries(GPU, 'drm/card1/card1-DP-1/status', 'drm/renderD129/dev', 'graphics/fb0/dev', 'vendor'),
        ...entries(GPU, 'video4linux/video0/dev', 'video4linux/vbi0/dev', 'i2c-4/name', 'hwmon/hwmon2/name'),
        ...entries(
          '0000:03:00.1',
          ...['id', 'controlC1/dev', 'pcmC1D3p/dev', 'hwC1D0/dev', 'midiC1D0/dev', 'input9/event12/dev'].map(
            (name) => `sound/card1/${name}`,
          ),
          'sound/hwdep/x',
        ),
      },
    });
    assert.deepEqual(
      (await deviceNodes(host, [gpu(), audio()], 1000)).map(
        (node) => `${node.device.slice(-4)} ${node.path}`,
      ),
      [
        '00.0 /dev/dri/card1',
        '00.0 /dev/dri/renderD129',
        '00.0 /dev/fb0',
        '00.0 /dev/vbi0',
        '00.0 /dev/video0',
        '00.1 /dev/snd/controlC1',
        '00.1 /dev/snd/hwC1D0',
        '00.1 /dev/snd/midiC1D0',
        '00.1 /dev/snd/pcmC1D3p',
      ],
    );
  });

  const card = gpu({ driver: 'nvidia' });
  const second = device('04:00.0', { driver: 'nvidia' });
  const information = (minor: number): string =>
    `Model: \t\t NVIDIA GeForce RTX 3090\nIRQ:   \t\t 171\nGPU UUID: \t GPU-00000000\nDevice Minor: \t ${minor}\nGPU Excluded:\t No\n`;
  const shared = ['nvidiactl', 'nvidia-uvm', 'nvidia-uvm-tools', 'nvidia-modeset'].map(
    (name) => `/dev/${name}`,
  );
  const nvidia = {
    [sysfs.nvidiaCard(card.address)]: information(3),
    [`${NVIDIA}/bind`]: '',
    [`${NVIDIA}/module/refcnt`]: '',
    [`${NVIDIA}/${card.address}/x`]: '',
  };

  it('has the shared nodes of the only card on nvidia', async () => {
    assert.deepEqual(
      (await deviceNodes(fakeHost({ files: nvidia }), [card], 1000)).map(({ path }) => path),
      ['/dev/nvidia3', ...shared],
    );
  });

  it('has the card’s own node alone when another card stays on nvidia', async () => {
    const files = { ...nvidia, [`${NVIDIA}/${second.address}/x`]: '' };
    assert.deepEqual(
      (await deviceNodes(fakeHost({ files }), [card], 1000)).map(({ path }) => path),
      ['/dev/nvidia3'],
    );
  });

  it('has the shared nodes when all cards on nvidia go', async () => {
    const files = {
      ...nvidia,
      [`${NVIDIA}/${second.address}/x`]: '',
      [sysfs.nvidiaCard(second.address)]: information(4),
    };
    assert.deepEqual(
      (await deviceNodes(fakeHost({ files }), [card, second], 1000)).map(({ path }) => path),
      ['/dev/nvidia3', ...shared, '/dev/nvidia4', ...shared],
    );
  });

  it('does without the number where the driver does not tell it', async () => {
    assert.deepEqual(
      (await deviceNodes(fakeHost({ files: { [`${NVIDIA}/${card.address}/x`]: '' } }), [card], 1000)).map(
        ({ path }) => path,
      ),
      shared,
    );
  });
});

describe('heldUses', () => {
  const node = { device: gpu().address, path: '/dev/dri/card1' };
  const other = { device: audio().address, path: '/dev/snd/controlC1' };
  const held = (...holders: readonly Partial<Holder>[]): readonly (readonly [string, readonly string[]])[] =>
    heldUses(
      [node, other],
      holders.map((each, index) => ({ pid: 10 + index, name: 'Xorg', path: node.path, ...each })),
    ).map(({ device: address, detail, hints }) => [`${address.slice(-1)} ${detail}`, hints.map(hintText)]);

  const rows: readonly (readonly [name: string, holder: Partial<Holder>, who: string, hint: string])[] = [
    ['a program', {}, '"Xorg" (pid 10)', 'end that program: kill 10'],
    [
      'a service',
      { unit: { name: 'lightdm.service' } },
      '"Xorg" (pid 10, lightdm.service)',
      'systemctl stop lightdm.service',
    ],
    [
      'a service of a user',
      { unit: { name: 'pipewire.service', user: 1000 } },
      '"Xorg" (pid 10, pipewire.service)',
      'systemctl --user -M 1000@ stop pipewire.service',
    ],
    [
      'a session, which must not be stopped as a whole',
      { unit: { name: 'session-2.scope' } },
      '"Xorg" (pid 10, session-2.scope)',
      'end that program: kill 10',
    ],
    [
      'a unit whose name a shell would change',
      { unit: { name: 'a\\x2db.service' } },
      '"Xorg" (pid 10, a\\x2db.service)',
      "systemctl stop 'a\\x2db.service'",
    ],
    [
      'a guest',
      { guest: 'desktop', unit: { name: 'machine-qemu.scope' } },
      'guest "desktop" (pid 10)',
      'shut that guest down first',
    ],
  ];
  for (const [name, holder, who, hint] of rows) {
    it(`names ${name}, and how to end it`, () => {
      assert.deepEqual(held(holder), [[`0 /dev/dri/card1 is open in ${who}`, [hint]]]);
    });
  }

  it('has one use for each device, and each hint once', () => {
    assert.deepEqual(
      held(
        { pid: 7, unit: { name: 'x.service' } },
        { pid: 8, unit: { name: 'x.service' } },
        { pid: 8, path: other.path, name: 'pulseaudio' },
      ),
      [
        [
          '0 /dev/dri/card1 is open in "Xorg" (pid 7, x.service) and "Xorg" (pid 8, x.service)',
          ['systemctl stop x.service'],
        ],
        ['1 /dev/snd/controlC1 is open in "pulseaudio" (pid 8)', ['end that program: kill 8']],
      ],
    );
  });

  it('has none for nodes that nobody has open, and for sockets', () => {
    assert.deepEqual(held(), []);
    assert.deepEqual(held({ path: 'socket:[1]' }), []);
  });
});
