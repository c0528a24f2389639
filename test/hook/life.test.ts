import assert from 'node:assert/strict';
import { readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { callHook, example } from './compiled.ts';
import {
  call,
  changes,
  claims,
  configure,
  drivers,
  exampleGuest,
  guestWith,
  picture,
  stage,
  succeeds,
  type Guest,
} from './stage.ts';

interface Life {
  readonly title: string;
  readonly host: string;
  readonly guest: () => Guest;
  /** The guest's configuration, where the host uses what it is assigned. */
  readonly config?: string;
  /** What must be on vfio-pci while the guest has it: whole groups. */
  readonly moved: readonly string[];
  /** What shares a group and stays. */
  readonly left?: readonly string[];
}

const lives: readonly Life[] = [
  {
    title: 'AMD desktop: GPU and audio function',
    host: 'amd-rdna3-desktop',
    guest: () => exampleGuest('windows-11-rx7900xtx'),
    moved: ['0000:03:00.0', '0000:03:00.1'],
  },
  {
    title: 'AMD desktop: only function 0 is assigned, its group moves',
    host: 'amd-rdna3-desktop',
    guest: () => exampleGuest('gpu-only-function-0'),
    moved: ['0000:03:00.0', '0000:03:00.1'],
  },
  {
    title: 'AMD desktop: assigned on QEMU’s command line',
    host: 'amd-rdna3-desktop',
    guest: () => exampleGuest('qemu-commandline'),
    moved: ['0000:03:00.0', '0000:03:00.1'],
  },
  {
    title: 'NVIDIA desktop: four functions behind a root port in the same group',
    host: 'nvidia-desktop',
    guest: () => exampleGuest('windows-11-rtx3090'),
    moved: ['0000:01:00.0', '0000:01:00.1', '0000:01:00.2', '0000:01:00.3'],
    left: ['0000:00:01.0'],
  },
  {
    title: 'Intel Arc: GPU and audio in groups of their own',
    host: 'intel-arc',
    guest: () => exampleGuest('intel-arc-a770'),
    config: example('configs/single-gpu.yaml'),
    moved: ['0000:03:00.0', '0000:04:00.0'],
  },
  {
    title: 'laptop: the discrete GPU behind a root port in the same group',
    host: 'laptop-hybrid',
    guest: () => guestWith(['0000:01:00.0']),
    moved: ['0000:01:00.0', '0000:01:00.1'],
    left: ['0000:00:01.0'],
  },
  {
    title: 'a bridge with two endpoints: both move, the bridge stays',
    host: 'bridge-group',
    guest: () => guestWith(['0000:02:02.0']),
    moved: ['0000:02:01.0', '0000:02:02.0'],
    left: ['0000:01:00.0', '0000:00:1c.0'],
  },
  {
    title: 'server: two of eight GPUs, the six others are not touched',
    host: 'server-8-gpu',
    guest: () => exampleGuest('server-two-of-eight-gpus'),
    moved: ['0000:19:00.0', '0000:4d:00.0'],
    left: ['0000:1a:00.0', '0000:cc:00.0', '0000:4e:00.0', '0000:8c:00.0', '0000:8d:00.0', '0000:cd:00.0'],
  },
  {
    title: 'NVMe drives as disks',
    host: 'nvme-host',
    guest: () => exampleGuest('nvme-disk'),
    moved: ['0000:03:00.0', '0000:04:00.0'],
    left: ['0000:02:00.0'],
  },
  {
    title: 'network card without virtual functions',
    host: 'sriov-nic',
    guest: () => guestWith(['0000:17:00.1']),
    moved: ['0000:17:00.1'],
    left: ['0000:17:00.0'],
  },
  {
    title: 'the machine of the lab',
    host: 'lab-q35',
    guest: () => guestWith(['0000:01:00.0']),
    config: 'devices: [{match: "1234:1111", allow: [boot-vga, console]}]\n',
    moved: ['0000:01:00.0', '0000:01:00.1'],
  },
];

describe('a whole life by the compiled hook', () => {
  for (const { title, host, guest: makeGuest, config, moved, left = [] } of lives) {
    it(title, () => {
      const on = stage(host);
      const guest = makeGuest();
      if (config !== undefined) configure(on, `domains/${guest.name}.yaml`, config);
      const before = picture(on);
      const stayed = drivers(on, left);

      succeeds(on, guest, 'prepare');
      assert.deepEqual(drivers(on, moved), Array(moved.length).fill('vfio-pci'));
      assert.deepEqual(drivers(on, left), stayed);
      const held = claims(on);
      assert.deepEqual(Object.keys(held), [`${guest.uuid}.json`]);
      const claim = held[`${guest.uuid}.json`];
      assert.deepEqual(
        [claim?.state, claim?.owner],
        ['held', { kind: 'guest', name: guest.name, uuid: guest.uuid }],
      );
      assert.deepEqual(
        claim?.devices.map(({ address }) => address),
        moved,
      );
      assert.deepEqual(on.machine.perform({ do: 'open-group', devices: moved, guest: guest.name }), {
        kind: 'done',
      });
      on.machine.perform({ do: 'close-group', guest: guest.name });

      succeeds(on, guest, 'release');
      assert.deepEqual(picture(on), before);
      assert.deepEqual(claims(on), {});
    });
  }

  it('network functions that libvirt manages are left to it', () => {
    const on = stage('sriov-nic');
    const guest = exampleGuest('sriov-interface');
    const before = picture(on);
    succeeds(on, guest, 'prepare');
    assert.deepEqual([picture(on), changes(on)], [before, 0]);
    // They are this guest's all the same: nobody else may take them.
    const devices = claims(on)[`${guest.uuid}.json`]?.devices ?? [];
    assert.deepEqual(
      devices.map(({ address, driver }) => [address, driver]),
      [
        ['0000:17:02.1', undefined],
        ['0000:17:02.3', undefined],
      ],
    );
    succeeds(on, guest, 'release');
    assert.deepEqual([picture(on), changes(on), claims(on)], [before, 0, {}]);
  });

  it('decoys: only the one device that is really assigned moves, with its group', () => {
    const on = stage('amd-rdna3-desktop');
    const guest = exampleGuest('decoys');
    const before = picture(on);
    succeeds(on, guest, 'prepare');
    const moved = Object.values(on.machine.state().devices).filter(({ driver }) => driver === 'vfio-pci');
    assert.deepEqual(
      moved.map(({ spec }) => spec.address),
      ['0000:03:00.0', '0000:03:00.1'],
    );
    succeeds(on, guest, 'release');
    assert.deepEqual(picture(on), before);
  });

  it('start, started, stopped, reconnect and a second release change nothing', () => {
    const on = stage('amd-rdna3-desktop');
    const guest = exampleGuest('windows-11-rx7900xtx');
    succeeds(on, guest, 'prepare');
    const [running, count] = [picture(on), changes(on)];
    for (const moment of ['start', 'started'] as const) succeeds(on, guest, moment);
    for (const other of ['reconnect', 'migrate', 'restore', 'attach', 'unknown'] as const) {
      const ended = callHook([guest.name, other, 'begin', '-', ...on.option], { input: guest.xml });
      assert.deepEqual(ended, { status: 0, signal: null, stdout: '', stderr: '' });
    }
    succeeds(on, guest, 'stopped');
    assert.deepEqual([picture(on), changes(on)], [running, count]);
    assert.equal(claims(on)[`${guest.uuid}.json`]?.state, 'held');
    succeeds(on, guest, 'release');
    const after = changes(on);
    succeeds(on, guest, 'release');
    assert.equal(changes(on), after);
  });

  it('the seed case: BAR 2 is made 8 MiB for the guest by writing 3, and gets its size back', () => {
    const on = stage('amd-rdna3-desktop');
    const guest = exampleGuest('windows-11-rx7900xtx');
    configure(
      on,
      `domains/${guest.name}.yaml`,
      'devices:\n  - match: "0000:03:00.0"\n    bars: { 2: 8MiB }\n',
    );
    const before = picture(on);
    succeeds(on, guest, 'prepare');
    const bar = (): number | undefined =>
      on.machine.state().devices['0000:03:00.0']?.bars.find(({ index }) => index === 2)?.size;
    assert.equal(bar(), 8 * 2 ** 20);
    const writes = on.machine
      .journal()
      .map(({ path, value }) => `${path.split('/').slice(-2).join('/')} ${value.trim()}`);
    const order = [
      'amdgpu/unbind 0000:03:00.0',
      '0000:03:00.0/resource2_resize 3',
      'vfio-pci/bind 0000:03:00.0',
    ].map((each) => writes.indexOf(each));
    assert.ok(
      order.every((at) => at >= 0),
      writes.join('\n'),
    );
    assert.deepEqual(
      order,
      [...order].sort((a, b) => a - b),
    );
    succeeds(on, guest, 'release');
    assert.deepEqual(picture(on), before);
  });

  it('a second start without a release in between keeps the first originals', () => {
    const on = stage('amd-rdna3-desktop');
    const guest = exampleGuest('windows-11-rx7900xtx');
    const before = picture(on);
    succeeds(on, guest, 'prepare');
    const first = claims(on)[`${guest.uuid}.json`]?.devices;
    succeeds(on, guest, 'prepare');
    assert.deepEqual(claims(on)[`${guest.uuid}.json`]?.devices, first);
    succeeds(on, guest, 'release');
    assert.deepEqual(picture(on), before);
  });

  it('a release does not look at the XML: empty, garbage or with other devices', () => {
    const on = stage('amd-rdna3-desktop');
    const guest = exampleGuest('windows-11-rx7900xtx');
    const before = picture(on);
    for (const input of [
      '',
      '\0\0garbage',
      guestWith(['0000:05:00.0'], guest).xml,
      Buffer.alloc(2 ** 20, 0xff),
    ]) {
      succeeds(on, guest, 'prepare');
      assert.deepEqual(call(on, guest, 'release', { input }), {
        status: 0,
        signal: null,
        stdout: '',
        stderr: '',
      });
      assert.deepEqual(picture(on), before);
    }
  });

  it('a release without a claim, and the life of a guest without host devices, leave no trace', () => {
    const on = stage('amd-rdna3-desktop');
    succeeds(on, exampleGuest('windows-11-rx7900xtx'), 'release');
    const guest = exampleGuest('without-host-devices');
    for (const moment of ['prepare', 'start', 'started', 'stopped', 'release'] as const)
      succeeds(on, guest, moment);
    assert.equal(changes(on), 0);
    assert.deepEqual(claims(on), {});
  });

  it('writes one line of log for each step, with the guest, the device, the result and the time', () => {
    const on = stage('amd-rdna3-desktop');
    const guest = exampleGuest('windows-11-rx7900xtx');
    succeeds(on, guest, 'prepare');
    const lines = readLog(on.directory);
    // vfio_iommu_type1 has come along with vfio-pci.
    const skipped = ' step="load module vfio_iommu_type1" result=skipped ';
    const steps = lines.filter((line) => line.includes(' step ') && !line.includes(skipped));
    assert.equal(steps.length, changes(on));
    for (const line of steps) {
      assert.match(
        line,
        /^\S+Z info {4}step guest=win11-rx7900 (?:device=0000:03:00\.[01] )?step="[^"]+" result=done ms=\d+$/,
      );
    }
    assert.match(
      lines.at(-1) ?? '',
      /notice {2}"?devices handed over"? guest=win11-rx7900 result=held ms=\d+$/,
    );
    assert.ok(!lines.join('').includes('<'));
  });

  it('a log that cannot be written changes nothing', () => {
    const on = stage('amd-rdna3-desktop');
    const guest = exampleGuest('windows-11-rx7900xtx');
    writeFileSync(join(on.directory, 'elsewhere'), 'kept');
    symlinkLog(on.directory);
    succeeds(on, guest, 'prepare');
    assert.deepEqual(readLog(on.directory, 'elsewhere'), ['kept']);
    succeeds(on, guest, 'release');
  });

  it('level debug, which loads winston, logs at least as much', () => {
    const on = stage('amd-rdna3-desktop');
    const guest = exampleGuest('windows-11-rx7900xtx');
    configure(on, 'config.yaml', 'log: { level: debug }\n');
    succeeds(on, guest, 'prepare');
    const done = readLog(on.directory).filter((line) => / step .*result=done/.test(line));
    assert.equal(done.length, changes(on));
  });
});

function readLog(directory: string, name = 'vfio-hook.log'): string[] {
  return readFileSync(join(directory, name), 'utf8').trimEnd().split('\n');
}

function symlinkLog(directory: string): void {
  symlinkSync(join(directory, 'elsewhere'), join(directory, 'vfio-hook.log'));
}
