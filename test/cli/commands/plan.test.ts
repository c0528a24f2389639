import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expectGolden } from '../../golden.ts';
import { example, repository, temporaryDirectory } from '../../hook/compiled.ts';
import { changes, configure, exampleGuest, guestWith, succeeds } from '../../hook/stage.ts';
import { domain, host, isPlain, machine, run, runAlone, shown } from '../run.ts';

const win11 = exampleGuest('windows-11-rx7900xtx');
const DEFINED = `/etc/libvirt/qemu/${win11.name}.xml`;
const code43 = join(repository, 'examples/configs/rdna3-bar2.yaml');

describe('vfio-hook plan GUEST', () => {
  it('by its name and by its UUID, as by its XML', () => {
    const on = machine({ [DEFINED]: `<!--\nWARNING: THIS IS AN AUTO-GENERATED FILE.\n-->\n${win11.xml}` });
    const expected = run(['plan', '-', ...on.option], { input: win11.xml });
    assert.equal(expected.status, 0);
    for (const operand of [win11.name, win11.uuid])
      assert.deepEqual(run(['plan', operand, ...on.option]), expected);
  });

  it('without a guest: those that have host devices, with a word on each', () => {
    const rival = guestWith(['0000:03:00.1', '0000:06:00.0'], {
      name: 'rival\u009b',
      uuid: 'b7a1e0d2-0d57-4b6b-9a43-4e1a2b9f0c11',
    });
    const none = guestWith([], { name: 'none', uuid: 'b7a1e0d2-0d57-4b6b-9a43-4e1a2b9f0c12' });
    const gone = guestWith(['0000:7f:00.0'], { name: 'gone', uuid: 'b7a1e0d2-0d57-4b6b-9a43-4e1a2b9f0c13' });
    const on = machine({
      [DEFINED]: win11.xml,
      '/etc/libvirt/qemu/rival.xml': rival.xml,
      '/etc/libvirt/qemu/none.xml': none.xml,
      '/etc/libvirt/qemu/gone.xml': gone.xml,
      '/etc/libvirt/qemu/torn.xml': '<domain>',
    });
    const ended = run(['plan', ...on.option]);
    isPlain(ended);
    expectGolden('cli/golden/plan-list.txt', shown(ended, on));
    const words = (): string[] =>
      (
        JSON.parse(runAlone(['plan', '--json', ...on.option]).stdout) as { name: string; outlook: string }[]
      ).map(({ name, outlook }) => `${name} ${outlook}`);
    assert.deepEqual(words(), ['gone refused', 'rival refused', 'torn unreadable', 'win11-rx7900 ready']);
    succeeds(on, win11, 'prepare');
    on.machine.perform({ do: 'open-group', devices: ['0000:03:00.0'], guest: win11.name, pid: 4242 });
    assert.equal(words().at(-1), 'win11-rx7900 running');
    assert.equal(run(['plan', ...machine().option]).stdout, 'libvirt knows no guest with host PCI devices\n');
  });

  it('an unknown name', () => {
    const on = machine({ [DEFINED]: win11.xml });
    expectGolden('cli/golden/plan-unknown-guest.txt', shown(run(['plan', 'win11-rx790', ...on.option]), on));
  });

  it('a guest that runs: says so, and what a start would meet now', () => {
    const on = machine();
    succeeds(on, win11, 'prepare');
    on.machine.perform({ do: 'open-group', devices: ['0000:03:00.0'], guest: win11.name, pid: 4242 });
    const count = changes(on);
    expectGolden(
      'cli/golden/plan-running.txt',
      shown(run(['plan', '-', ...on.option], { input: win11.xml }), on),
    );
    const json = run(['plan', '-', '--json', ...on.option], { input: win11.xml });
    assert.deepEqual(
      [json.status, (JSON.parse(json.stdout) as { running: boolean }).running, changes(on)],
      [2, true, count],
    );
  });

  it('virtual functions that a start makes: what is done for them, and what is expected then', () => {
    const on = machine({}, 'sriov-nic');
    configure(on, 'config.yaml', 'sriov: [{ pf: "0000:17:00.1", vfs: 4 }]\n');
    const guest = guestWith(['0000:17:0a.0'], { name: 'guest', uuid: win11.uuid });
    const managed = guest.xml
      .replace(
        "<hostdev mode='subsystem' type='pci' managed='no'>",
        "<interface type='hostdev' managed='yes'>",
      )
      .replace('<address ', "<address type='pci' ")
      .replace('</hostdev>', '</interface>');
    for (const [how, xml] of [
      ['hostdev', guest.xml],
      // libvirt moves it: nothing is left to do in the second round.
      ['interface', managed],
    ] as const) {
      const ended = run(['plan', '-', ...on.option], { input: xml });
      isPlain(ended);
      expectGolden(`cli/golden/plan-vfs-${how}.txt`, shown(ended, on));
    }
  });

  it('a name with control characters does not reach the terminal', () => {
    const on = machine();
    const guest = guestWith(['0000:03:00.0'], { name: 'a\u009b2J\tb', uuid: win11.uuid });
    for (const xml of [guest.xml, guestWith([], guest).xml]) {
      const ended = run(['plan', '-', ...on.option], { input: xml });
      assert.equal(ended.status, 0);
      isPlain(ended);
    }
  });
});

describe('vfio-hook plan --config', () => {
  it('the file stands in for the guest’s own, and the defaults of the host still hold', () => {
    const on = machine();
    configure(on, 'config.yaml', 'devices: [{ match: vga, bars: { 0: 256MiB } }]\n');
    configure(on, `domains/${win11.name}.yaml`, 'devices: [{ match: vga, bars: { 2: 2MiB } }]\n');
    const { steps } = JSON.parse(
      run(['plan', '-', '--json', '--config', code43, ...on.option], { input: win11.xml }).stdout,
    ) as { steps: { kind: string; command: string }[] };
    assert.deepEqual(
      steps.filter(({ kind }) => kind === 'resize-bar').map(({ command }) => command),
      [
        'echo 8 > /sys/bus/pci/devices/0000:03:00.0/resource0_resize',
        'echo 3 > /sys/bus/pci/devices/0000:03:00.0/resource2_resize',
      ],
    );
  });

  it('a broken one is named with its line, and one that is not there', () => {
    const on = machine();
    const file = join(temporaryDirectory(), 'broken.yaml');
    writeFileSync(file, 'devices:\n  - mach: vga\n');
    const broken = run(['plan', '-', '--config', file, ...on.option], { input: win11.xml });
    assert.equal(broken.status, 1);
    assert.match(
      broken.stderr,
      /^vfio-hook: error: cannot use configuration \S+broken\.yaml: line 2: unknown key/,
    );
    const missing = run(['plan', '-', '--config', '/nonexistent.yaml', ...on.option], { input: win11.xml });
    assert.deepEqual(
      [missing.status, missing.stderr],
      [1, 'vfio-hook: error: cannot read /nonexistent.yaml: there is no such file\n'],
    );
  });
});

describe('vfio-hook plan --host', () => {
  it('is the plan of that machine, with a configuration to try', () => {
    const on = machine();
    configure(on, `domains/${win11.name}.yaml`, example('configs/rdna3-bar2.yaml'));
    const described = run([
      'plan',
      domain('windows-11-rx7900xtx'),
      '--json',
      '--host',
      host('amd-rdna3-desktop'),
      '--config',
      code43,
    ]);
    assert.deepEqual(described, run(['plan', '-', '--json', ...on.option], { input: win11.xml }));
    assert.equal(described.status, 0);
  });

  it('takes no configuration and no claim of the machine that it runs on', () => {
    const on = machine();
    configure(on, 'config.yaml', 'broken: yes\n');
    succeeds(machine(), win11, 'prepare');
    const ended = run(['plan', '-', '--host', host('amd-rdna3-desktop'), ...on.option], { input: win11.xml });
    assert.deepEqual([ended.status, ended.stderr], [0, '']);
  });

  it('knows guests by the libvirt of the machine that it runs on', () => {
    const on = machine({ [DEFINED]: win11.xml });
    const ended = run(['plan', win11.name, '--host', host('nvidia-desktop'), ...on.option]);
    assert.deepEqual([ended.status, ended.stdout], [1, '']);
    assert.match(ended.stderr, /^vfio-hook: error: there is no PCI device 0000:03:00\.0 on this host\n/);
  });

  it('a file that describes no machine', () => {
    const ended = run(['plan', domain('decoys'), '--host', join(repository, 'package.json')]);
    assert.deepEqual([ended.status, ended.stdout], [1, '']);
    assert.match(ended.stderr, /^vfio-hook: error: cannot read machine ".*package\.json", line \d+: /);
  });
});
