import assert from 'node:assert/strict';
import type { MachineSpec } from '../../../simulator/spec.ts';
import { expectGolden } from '../../golden.ts';
import { callHook, example, installation, type Ended } from '../../hook/compiled.ts';
import {
  changes,
  claims,
  configure,
  exampleGuest,
  guestWith,
  picture,
  stage,
  steady,
  succeeds,
  type Stage,
} from '../../hook/stage.ts';
import { withNames } from '../pci-ids.ts';
import { run as runCommand } from '../run.ts';

const UUID = '83b8f4f2-509f-382f-3c1e-e6bfe0fa1001';
const OTHER = '5a0e7c1e-9b55-4c2a-9a36-0d2c8f6f4101';
const desktop = exampleGuest('mdev-vgpu');

function machine(host: string, files: MachineSpec['files'] = {}, facts: Partial<MachineSpec> = {}): Stage {
  return stage(host, (spec) => {
    const named = withNames(spec);
    return { ...named, ...facts, files: { ...named.files, ...files } };
  });
}

function run(on: Stage, ...args: string[]): Ended {
  return runCommand([...args, ...on.option]);
}

function printed(on: Stage, ...args: string[]): string {
  const [before, count] = [picture(on), changes(on)];
  const ended = run(on, ...args);
  assert.deepEqual([ended.status, ended.stderr], [0, ''], args.join(' '));
  assert.deepEqual([picture(on), changes(on)], [before, count]);
  return ended.stdout;
}

/** A desktop on which a guest has a slice of the graphics and runs. */
function running(): Stage {
  const on = machine('intel-gvt-g');
  configure(on, 'domains/desktop-vgpu.yaml', example('configs/mdev.yaml'));
  succeeds(on, desktop, 'prepare');
  on.machine.perform({ do: 'open-group', devices: [], mdevs: [UUID], guest: desktop.name, pid: 4242 });
  return on;
}

describe('vfio-hook mdev', () => {
  const hosts: Readonly<Record<string, () => Stage>> = {
    'gvt-g-not-loaded': () => machine('intel-gvt-g'),
    'gvt-g-running': running,
    'nvidia-with-definitions': () =>
      machine('nvidia-vgpu-mdev', {
        [`/etc/mdevctl.d/0000:41:00.5/${OTHER}`]: '{"mdev_type":"nvidia-593","start":"auto"}',
        [`/etc/mdevctl.d/0000:41:00.6/${UUID}`]: '{"mdev_type":',
      }),
    amd: () => machine('amd-rdna3-desktop'),
  };
  for (const [name, open] of Object.entries(hosts)) {
    it(`${name}: text and JSON`, () => {
      const on = open();
      expectGolden(`cli/golden/mdev-${name}.txt`, steady(printed(on, 'mdev'), on));
      expectGolden(`cli/golden/mdev-${name}.json`, steady(printed(on, 'mdev', '--json'), on));
    });
  }

  it('says it in a few words where there is nothing', () => {
    const on = machine('storage-server', {}, { devices: [] });
    assert.equal(printed(on, 'mdev'), 'nothing on this host makes mediated devices\n');
    assert.deepEqual(JSON.parse(printed(on, 'mdev', '--json')), {
      parents: [],
      devices: [],
      definitions: [],
      others: [],
    });
  });

  it('lists one that is nobody’s', async () => {
    const on = machine('nvidia-vgpu-mdev');
    const create = '/sys/class/mdev_bus/0000:41:00.4/mdev_supported_types/nvidia-593/create';
    await on.machine.host().write(create, OTHER, 1000);
    const group = on.machine.state().mdevs[OTHER]?.group ?? NaN;
    assert.ok(
      printed(on, 'mdev').includes(
        `\n  ${OTHER}  nvidia-593, IOMMU group ${group}, nobody’s that is known here\n`,
      ),
    );
  });
});

describe('a mediated device', () => {
  it('is seen in groups, with its card and by itself', () => {
    const on = running();
    const text = steady(printed(on, 'groups'), on);
    assert.match(
      text,
      /IOMMU group 1: mediated device 83b8f4f2-\S+ was made of it, which guest "desktop-vgpu" has\n/,
    );
    assert.match(text, /· mediated device 83b8f4f2-509f-382f-3c1e-e6bfe0fa1001 ·/);
    assert.match(
      text,
      /IOMMU group 6: guest "desktop-vgpu" has it \(pid PID\)\n└─ {2}83b8f4f2-509f-382f-3c1e-e6bfe0fa1001 {2}mediated device\n/,
    );
    const json = JSON.parse(printed(on, 'groups', '1', '--json')) as [{ devices: [{ mdevs: string[] }] }];
    assert.deepEqual(json[0].devices[0].mdevs, [UUID]);
  });

  it('is seen in the map', () => {
    const on = running();
    const page = printed(on, 'map');
    assert.match(page, /· i915 · boot VGA · 1 mediated device</);
    assert.match(page, /mediated device 83b8f4f2-509f-382f-3c1e-e6bfe0fa1001/);
  });

  it('is seen in status and plan', () => {
    const on = running();
    assert.match(printed(on, 'status'), /mediated device 83b8f4f2-\S+: i915-GVTg_V5_4 on 0000:00:02.0/);
    const now = callHook(['plan', '-', ...on.option], {
      program: installation().command,
      input: desktop.xml,
    });
    assert.match(now.stderr, /note: guest "desktop-vgpu" is running/);
    const other = machine('intel-gvt-g');
    configure(other, 'domains/desktop-vgpu.yaml', example('configs/mdev.yaml'));
    const plan = callHook(['plan', '-', ...other.option], {
      program: installation().command,
      input: desktop.xml,
    });
    assert.match(plan.stdout, /~ mediated device 83b8f4f2-\S+: not there → i915-GVTg_V5_4 on 0000:00:02.0/);
  });

  it('keeps its card from others, who learn whose it is', () => {
    const on = running();
    const ended = run(on, 'detach', '00:02.0');
    assert.equal(ended.status, 2);
    assert.match(
      ended.stderr,
      /cannot detach 0000:00:02.0: mediated device 83b8f4f2-\S+ was made of it, which guest "desktop-vgpu" has/,
    );
    const guest = guestWith(['0000:00:02.0'], { name: 'b', uuid: OTHER });
    const hook = callHook([guest.name, 'prepare', 'begin', '-', ...on.option], { input: guest.xml });
    assert.equal(hook.status, 1);
  });

  it('is told to each virtual machine monitor', () => {
    const on = running();
    assert.equal(
      printed(on, 'devices', UUID.toUpperCase(), '--format', 'libvirt'),
      `<hostdev mode='subsystem' type='mdev' model='vfio-pci'>\n  <source>\n    <address uuid='${UUID}'/>\n  </source>\n</hostdev>\n`,
    );
    assert.equal(
      printed(on, 'devices', UUID, '--format', 'qemu'),
      `-device vfio-pci,sysfsdev=/sys/bus/mdev/devices/${UUID}\n`,
    );
    assert.deepEqual(JSON.parse(printed(on, 'devices', UUID, '--format', 'cloud-hypervisor', '--json')), {
      format: 'cloud-hypervisor',
      arguments: ['--device', `path=/sys/bus/mdev/devices/${UUID}/`],
    });
    const absent = run(on, 'devices', OTHER, '--format', 'libvirt');
    assert.equal(absent.status, 0);
    assert.match(absent.stderr, /not there now/);
    assert.ok(absent.stdout.includes(`uuid='${OTHER}'`));
    const mixed = run(on, 'devices', UUID, '00:02.0', '--format', 'libvirt');
    assert.deepEqual([mixed.status, mixed.stdout], [2, '']);
  });
});

describe('mediated devices by hand', () => {
  const TYPE = 'GVTg_V5_4';
  const line = /^mediated device ([0-9a-f-]{36}): (.*)\n$/;

  it('are made for a program, which is told the UUID', () => {
    const on = machine('intel-gvt-g');
    const ended = callHook(
      [
        ...[
          'run',
          ...on.option,
          '--mdev',
          TYPE,
          '--parent',
          '00:02.0',
          '--',
          'sh',
          '-c',
          'echo "$1 $2"',
          'sh',
        ],
        ...['{mdev}', 'x={mdev},{mdev2},{vf}'],
      ],
      { program: installation().command },
    );
    const [, uuid = ''] = /^vfio-hook: mediated device ([0-9a-f-]{36}) is ready\n$/.exec(ended.stderr) ?? [];
    assert.deepEqual([ended.status, ended.stdout], [0, `${uuid} x=${uuid},{mdev2},{vf}\n`], ended.stderr);
    assert.deepEqual([on.machine.state().mdevs, claims(on)], [{}, {}]);
  });

  it('are made by a detach, and removed by a reattach', () => {
    const on = machine('intel-gvt-g');
    const said = (...args: string[]): string => {
      const ended = run(on, ...args);
      assert.deepEqual([ended.status, ended.stderr], [0, ''], args.join(' '));
      return ended.stdout;
    };
    assert.match(
      said('detach', '--mdev', TYPE, '--dry-run'),
      /~ mediated device .*: not there → i915-GVTg_V5_4 on 0000:00:02.0/,
    );
    assert.deepEqual(on.machine.state().mdevs, {});
    const [, uuid = '', what] = line.exec(said('detach', '--mdev', TYPE)) ?? [];
    assert.deepEqual([Object.keys(on.machine.state().mdevs), what], [[uuid], `i915-${TYPE} on 0000:00:02.0`]);
    assert.match(
      said('reattach', uuid, '--dry-run'),
      new RegExp(`echo 1 > /sys/bus/mdev/devices/${uuid}/remove`),
    );
    assert.deepEqual(line.exec(said('reattach', uuid.toUpperCase()))?.slice(1), [
      uuid,
      `i915-${TYPE} on 0000:00:02.0 → not there`,
    ]);
    assert.deepEqual([on.machine.state().mdevs, claims(on)], [{}, {}]);

    const [made] = JSON.parse(said('detach', '--mdev', TYPE, '--json')) as [{ mdev: string }];
    const { mdev } = made;
    const move = { mdev, parent: '0000:00:02.0' };
    assert.deepEqual(made, { ...move, from: null, to: `i915-${TYPE}` });
    assert.deepEqual(JSON.parse(said('reattach', mdev, '--json')), [
      { ...move, from: `i915-${TYPE}`, to: null },
    ]);
    const again = run(on, 'reattach', mdev);
    assert.deepEqual(
      [again.status, again.stderr.split('\n')[0]],
      [2, `vfio-hook: error: there is no mediated device ${mdev}`],
    );
  });

  it('are refused by their options before anything is looked at', () => {
    const on = machine('intel-gvt-g');
    const rows = [
      [['detach', '--mdev', 'a/b'], /"a\/b" is no type of mediated devices/],
      [['detach', '--mdev', TYPE, '--parent', 'a/b'], /"a\/b" is no parent of mediated devices/],
      [['detach', '03:00.0', '--parent', 'auto'], /--parent is for --mdev/],
      [['detach', '03:00.0', '--mdev', TYPE], /ADDRESS and --mdev do not go together/],
      [
        ['detach', '--mdev', TYPE, '--vf', '03:00.0', '--all'],
        /--vf and --all and --mdev do not go together/,
      ],
      [
        ['run', '--mdev', TYPE, '--vgpu', '1152', '--', 'true'],
        /needs --device ADDRESS, --vf CARD or --mdev TYPE/,
      ],
    ] as const;
    for (const [args, message] of rows) {
      const { stderr, status } = callHook([args[0], ...on.option, ...args.slice(1)], {
        program: installation().command,
      });
      assert.match(stderr, message);
      assert.equal(status, args[0] === 'run' ? 125 : 2);
    }
    assert.deepEqual(on.machine.state().mdevs, {});
  });
});
