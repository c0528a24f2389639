import assert from 'node:assert/strict';
import { expectGolden } from '../../golden.ts';
import { callHook, installation, TERMINAL_ENVIRONMENT, type Ended } from '../../hook/compiled.ts';
import { changes, claims, stage, type Stage } from '../../hook/stage.ts';
import { run as runCommand } from '../run.ts';

function run(on: Stage, ...args: readonly string[]): Ended {
  return runCommand(['devices', ...args, ...on.option]);
}

describe('vfio-hook devices', () => {
  for (const format of ['cloud-hypervisor', 'qemu', 'libvirt']) {
    for (const [name, host, addresses] of [
      ['desktop', 'nvidia-desktop', ['01:00.0']],
      ['server', 'server-8-gpu', ['1a:00.0', '19:00.0', '4d:00.0']],
    ] as const) {
      it(`for ${format}, ${name}: text and JSON say the same`, () => {
        const on = stage(host);
        const text = run(on, ...addresses, '--format', format);
        assert.equal(text.status, 0);
        expectGolden(`cli/golden/devices-${format}-${name}.txt`, text.stdout + text.stderr);
        const json = JSON.parse(run(on, ...addresses, '--format', format, '--json').stdout) as {
          format: string;
          arguments?: string[];
          xml?: string;
        };
        assert.equal(json.format, format);
        assert.equal(
          json.xml ?? json.arguments?.join(' '),
          json.xml === undefined ? text.stdout.trim().replaceAll('\n', ' ') : text.stdout.trimEnd(),
        );
        assert.deepEqual([changes(on), claims(on)], [0, {}]);
      });
    }
  }

  it('is not broken to the width of a terminal: it is pasted', () => {
    const on = stage('server-8-gpu');
    for (const format of ['cloud-hypervisor', 'qemu', 'libvirt']) {
      const args = ['devices', '1a:00.0', '--format', format, ...on.option];
      const env = { ...TERMINAL_ENVIRONMENT, COLUMNS: '40' };
      const narrow = callHook(args, { program: installation().command, env });
      assert.equal(narrow.stdout, run(on, ...args.slice(1, 4)).stdout);
    }
  });

  it('leaves bridges and chipset functions of the group out', () => {
    const on = stage('nvidia-desktop');
    const { stdout } = run(on, '00:1f.3', '--format', 'cloud-hypervisor');
    assert.equal(
      stdout,
      '--device path=/sys/bus/pci/devices/0000:00:1f.3/ path=/sys/bus/pci/devices/0000:00:1f.6/\n',
    );
  });

  it('asks for a format that it knows', () => {
    const on = stage('nvidia-desktop');
    for (const args of [['01:00.0'], ['01:00.0', '--format', 'xen']]) {
      const { status, stderr, stdout } = run(on, ...args);
      assert.deepEqual([status, stdout], [2, '']);
      assert.match(stderr, /hint: formats: cloud-hypervisor, qemu, libvirt\n$/);
    }
  });
});
