import assert from 'node:assert/strict';
import { expectGolden } from '../../golden.ts';
import type { Ended } from '../../hook/compiled.ts';
import { claims, configure, exampleGuest, picture, stage, succeeds, type Stage } from '../../hook/stage.ts';
import { run as runCommand } from '../run.ts';

const VF = '0000:41:00.4';

function run(on: Stage, ...args: readonly string[]): Ended {
  const [command = '', ...rest] = args;
  return runCommand([command, ...on.option, ...rest]);
}

/** What a run prints when all is well. */
function printed(on: Stage, ...args: readonly string[]): string {
  const ended = run(on, ...args);
  assert.deepEqual([ended.status, ended.stderr], [0, ''], args.join(' '));
  return ended.stdout;
}

describe('vGPUs by the command', () => {
  it('are listed with who has them', () => {
    const on = stage('nvidia-vgpu-server');
    const guest = exampleGuest('nvidia-vgpu');
    configure(on, 'domains/ai-vgpu.yaml', 'vgpu: [{vf: auto, type: L40S-12Q}]\n');
    succeeds(on, guest, 'prepare');
    on.machine.perform({ do: 'load', module: 'vfio-pci' });
    on.machine.perform({ do: 'open-group', devices: [VF], guest: guest.name, pid: 4242 });
    expectGolden('cli/golden/vgpu.txt', printed(on, 'vgpu'));
    on.machine.perform({ do: 'close-group', guest: guest.name });
    succeeds(on, guest, 'release');
    assert.match(printed(on, 'vgpu'), /32 are free/);
  });

  it('are shown with the group of their function', () => {
    const on = stage('nvidia-vgpu-server');
    printed(on, 'detach', '--vf', '41:00.0', '--vgpu', 'L40S-8Q');
    assert.match(
      printed(on, 'groups', VF),
      /virtual function of 0000:41:00.0 · vGPU type 1152 \(NVIDIA L40S-8Q\) ·/,
    );
    const [group] = JSON.parse(printed(on, 'groups', VF, '--json')) as [{ devices: [{ vgpu: unknown }] }];
    assert.deepEqual(group.devices[0].vgpu, { type: 1152, name: 'NVIDIA L40S-8Q' });
    assert.doesNotMatch(printed(on, 'groups', '41:00.5'), /vGPU type/);
    assert.match(printed(on, 'map'), /vGPU type 1152 \(NVIDIA L40S-8Q\)/);
  });

  it('are listed with the GPU instances of a card in MIG mode', () => {
    const place = '/proc/driver/nvidia/capabilities/gpu0/mig';
    const on = stage('nvidia-vgpu-server', (spec) => ({
      ...spec,
      files: {
        ...spec.files,
        [`${place}/gi2/access`]: '',
        [`${place}/gi13/access`]: '',
        [`${place}/gi2/ci0/access`]: '',
        [`${place}/gi2/ci1/access`]: '',
      },
    }));
    const text = printed(on, 'vgpu');
    assert.match(
      text,
      /^ {2}in MIG mode, 2 GPU instances: 2 \(2 compute instances\), 13 \(no compute instances\)$/m,
    );
    assert.equal(text.match(/MIG/g)?.length, 1);
    const cards = JSON.parse(printed(on, 'vgpu', '--json')) as readonly { gpuInstances: unknown }[];
    assert.deepEqual(
      cards.map((card) => card.gpuInstances),
      [
        [
          { id: 2, computeInstances: 2 },
          { id: 13, computeInstances: 0 },
        ],
        [],
      ],
    );
  });

  it('are none on other hosts', () => {
    assert.equal(
      printed(stage('amd-rdna3-desktop'), 'vgpu'),
      'this host has no NVIDIA card with virtual functions\n',
    );
    assert.equal(printed(stage('amd-rdna3-desktop'), 'vgpu', '--json'), '[]\n');
  });

  it('are made for a program, which is told where', () => {
    const on = stage('nvidia-vgpu-server');
    const before = picture(on);
    const script = 'echo "$1 $2"; [ "$1" = 0000:41:00.4 ]';
    const ended = run(
      on,
      ...['run', '--vf', '41:00.0', '--vgpu', 'L40S-8Q,disable_vnc=1', '--', 'sh', '-c', script, 'sh'],
      ...['{vf}', 'host={vf},{vf2}'],
    );
    assert.deepEqual(ended, {
      status: 0,
      signal: null,
      stdout: `${VF} host=${VF},{vf2}\n`,
      stderr: `vfio-hook: the vGPU on ${VF} is ready\n`,
    });
    assert.deepEqual([picture(on), claims(on)], [before, {}]);
    assert.deepEqual(
      on.machine.journal().map(({ path, value }) => `${path.split('/').at(-1) ?? ''} ${value.trim()}`),
      ['current_vgpu_type 1152', 'vgpu_params disable_vnc=1', 'vfio_iommu_type1 ', 'current_vgpu_type 0'],
    );
  });

  it('are detached and given back by hand', () => {
    const on = stage('nvidia-vgpu-server');
    const before = picture(on);
    const request = ['detach', '--vf', '41:00.0', '--vgpu', '1152'];
    assert.match(printed(on, ...request, '--dry-run'), /~ the vGPU on 0000:41:00.4: no vGPU → type 1152/);
    assert.deepEqual(claims(on), {});
    assert.equal(
      printed(on, ...request),
      `${VF}: stays on nvidia\nthe vGPU on ${VF}: type 1152 (NVIDIA L40S-8Q)\n`,
    );
    assert.match(printed(on, 'status'), /the vGPU on 0000:41:00.4: type 1152 .*, before: no vGPU/);
    assert.match(
      printed(on, 'reattach', VF, '--dry-run'),
      /echo 0 > \/sys\/bus\/pci\/devices\/0000:41:00.4\/nvidia\/current_vgpu_type/,
    );
    printed(on, 'reattach', VF);
    assert.deepEqual([picture(on), claims(on)], [before, {}]);
  });

  it('are refused by their options before anything is looked at', () => {
    const on = stage('nvidia-vgpu-server');
    const rows = [
      [['detach', '--vf', 'card'], /"card" is no PCI address of a card/],
      [['detach', '--vf', '41:00.0', '--vgpu', 'a/b'], /"a\/b" is no vGPU type/],
      [['detach', '--vf', '41:00.0', '--vgpu', '1152,x'], /"x" are no parameters of a vGPU/],
      [['detach', '--vgpu', '1152'], /no device is named/],
      [['run', '--vgpu', '1152', '--', 'true'], /needs --device ADDRESS, --vf CARD or --mdev TYPE/],
    ] as const;
    for (const [args, message] of rows) {
      const { stderr, status } = run(on, ...args);
      assert.match(stderr, message);
      assert.equal(status, args[0] === 'run' ? 125 : 2);
    }
    const { stderr, status } = run(on, 'detach', '--vf', '61:00.0');
    assert.match(stderr, /0000:61:00.0 has no virtual functions, and the configuration does not say/);
    assert.equal(status, 2);
  });

  it('are for XML with managed=no, each function in a slot of its own', () => {
    const on = stage('nvidia-vgpu-server');
    const xml = printed(on, 'devices', VF, '41:00.5', '--format', 'libvirt');
    assert.equal(xml.match(/managed='no'/g)?.length, 2);
    assert.ok(!xml.includes('multifunction'), xml);
    const { stderr } = run(on, 'devices', VF, '--format', 'cloud-hypervisor');
    assert.match(stderr, /Cloud Hypervisor cannot use 0000:41:00.4/);
  });
});
