import assert from 'node:assert/strict';
import { advice, hintText } from '../../../src/hint.ts';
import type { Holder } from '../../../src/host/host.ts';
import {
  deviceNodes,
  heldBy,
  heldUses,
  type DeviceNode,
  type Openings,
} from '../../../src/observe/uses/holders.ts';
import { sysfs } from '../../../src/pci/sysfs.ts';
import { audio, device, gpu } from '../../plan/snapshots.ts';
import { fakeHost } from '../../host/fake-host.ts';

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
  const other = { device: audio().address, path: '/dev/snd/controlC1', waits: true } as const;
  const openings = (
    holders: readonly Partial<Holder>[],
    host = fakeHost({}),
    nodes: readonly DeviceNode[] = [node, other],
  ): Openings => ({
    host,
    nodes,
    holders: holders.map((each, index) => ({ pid: 10 + index, name: 'mpv', path: node.path, ...each })),
  });
  const used = (...holders: readonly Partial<Holder>[]): ReturnType<typeof heldUses> =>
    heldUses(openings(holders));
  const held = (...holders: readonly Partial<Holder>[]): readonly (readonly [string, readonly string[]])[] =>
    used(...holders).map(({ device: address, detail, hints }) => [
      `${address.slice(-1)} ${detail}`,
      hints.map(hintText),
    ]);

  const eachTime = (units: string): string =>
    `vfio-hook can do that for a guest, and undo it afterwards: services: {stop: [${units}]} in its configuration`;
  const rows: readonly (readonly [
    name: string,
    holder: Partial<Holder>,
    who: string,
    ...hints: readonly string[],
  ])[] = [
    ['a program', {}, '"mpv" (pid 10)', 'end that program: kill 10'],
    [
      'a service',
      { unit: { name: 'lightdm.service' } },
      '"mpv" (pid 10, lightdm.service)',
      'systemctl stop -- lightdm.service',
      eachTime('lightdm.service'),
    ],
    [
      'a service of a user',
      { unit: { name: 'pipewire.service', user: 1000 } },
      '"mpv" (pid 10, pipewire.service)',
      'systemctl --user --machine=1000@ stop -- pipewire.service',
      eachTime('{unit: pipewire.service, user: 1000}'),
    ],
    [
      'a program of an application',
      { unit: { name: 'app-mpv-1.scope', user: 1000 } },
      '"mpv" (pid 10, app-mpv-1.scope)',
      'end that program: kill 10',
    ],
    [
      'a unit whose name a shell would change',
      { unit: { name: 'a\\x2db.service' } },
      '"mpv" (pid 10, a\\x2db.service)',
      "systemctl stop -- 'a\\x2db.service'",
      eachTime('a\\x2db.service'),
    ],
    [
      'a guest',
      { guest: 'desktop', unit: { name: 'machine-qemu.scope' } },
      'guest "desktop" (pid 10)',
      'shut that guest down first',
    ],
  ];
  for (const [name, holder, who, ...hints] of rows) {
    it(`names ${name}, and how to end it`, () => {
      assert.deepEqual(held(holder), [[`0 /dev/dri/card1 is open in ${who}`, hints]]);
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
          '0 /dev/dri/card1 is open in "mpv" (pid 7, x.service) and "mpv" (pid 8, x.service)',
          ['systemctl stop -- x.service', eachTime('x.service')],
        ],
        ['1 /dev/snd/controlC1 is open in "pulseaudio" (pid 8)', ['end that program: kill 8']],
      ],
    );
  });

  const server = { name: 'wireplumber', path: other.path, program: '/usr/bin/wireplumber' };
  it('yields when all who have the device open let go by themselves', () => {
    assert.deepEqual(used(server, { ...server, name: 'alsactl', program: '/usr/sbin/alsactl' }), [
      {
        device: other.device,
        reason: 'held',
        detail:
          '/dev/snd/controlC1 is open in "wireplumber" (pid 10) and "alsactl" (pid 11), which let go by themselves when the card goes',
        hints: [],
        yields: true,
      },
    ]);
    assert.match(
      used(server)[0]?.detail ?? '',
      /"wireplumber" \(pid 10\), which lets go by itself when the card goes$/,
    );
  });

  it('does not yield when one of them stays, and names that one alone', () => {
    assert.deepEqual(used(server, { name: 'mixer', path: other.path }), [
      {
        device: other.device,
        reason: 'held',
        detail: '/dev/snd/controlC1 is open in "mixer" (pid 11)',
        hints: [advice('end that program: kill 11')],
        offered: false,
      },
    ]);
  });

  it('names those who were expected to let go when a write waits for them', () => {
    const use = heldBy(openings([server]), other.device);
    assert.equal(use?.yields, undefined);
    assert.equal(use?.detail, '/dev/snd/controlC1 is open in "wireplumber" (pid 10)');
    assert.equal(heldBy(openings([server]), node.device), undefined);
  });

  it('is offered to be allowed where the kernel does not wait and no session ends', () => {
    const offered = (...holders: readonly Partial<Holder>[]): readonly (boolean | undefined)[] =>
      used(...holders).map((use) => use.offered);
    assert.deepEqual(offered({}), [undefined]);
    assert.deepEqual(offered({ path: other.path }), [false]);
    assert.deepEqual(offered({}, { name: 'sway' }), [false]);
  });

  it('says of a desktop that ending it ends the session, and of what runs in that session nothing more', () => {
    const session = { unit: { name: 'session-2.scope' } };
    const files = { '/sys/bus/pci/devices/0000:00:02.0/drm/card0/dev': '' };
    const [use] = heldUses(
      openings(
        [
          { name: 'sway', ...session },
          { name: 'foot', ...session, path: '/dev/dri/renderD128' },
          { name: 'ollama', unit: { name: 'ollama.service' } },
          { name: 'qemu-system-x86', guest: 'old' },
        ],
        fakeHost({ files }),
        [node, { device: node.device, path: '/dev/dri/renderD128' }],
      ),
    );
    const hints = use?.hints.map(hintText) ?? [];
    assert.match(hints[0] ?? '', /^do not stop "sway" \(pid 10, session-2\.scope\): this ends your session/);
    assert.match(hints[2] ?? '', /WLR_DRM_DEVICES=/);
    assert.deepEqual(hints.slice(-2), ['systemctl stop -- ollama.service', 'shut that guest down first']);
    assert.doesNotMatch(hints.join('\n'), /kill/);
  });

  it('has none for nodes that nobody has open, and for sockets', () => {
    assert.deepEqual(held(), []);
    assert.deepEqual(held({ path: 'socket:[1]' }), []);
  });
});
