import assert from 'node:assert/strict';
import { copyFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expectGolden } from '../../golden.ts';
import { callHook, installation, startHook, type Ended } from '../../hook/compiled.ts';
import { until } from '../../until.ts';
import {
  call,
  changes,
  claims,
  configure,
  drivers,
  exampleGuest,
  fault,
  picture,
  stage,
  steady,
  succeeds,
  type Stage,
} from '../../hook/stage.ts';

const win11 = exampleGuest('windows-11-rx7900xtx');
const CARD = ['0000:03:00.0', '0000:03:00.1'] as const;
const USB = '0000:0f:00.3';

function run(on: Stage, ...args: readonly string[]): Ended {
  return callHook([...args, ...on.option], { program: installation().command });
}

function shown(ended: Ended, on: Stage): string {
  const text = `exit status ${String(ended.status)}\n--- stdout\n${ended.stdout}--- stderr\n${ended.stderr}`;
  return steady(text, on)
    .replace(/\bms=\d+/g, 'ms=N')
    .replace(/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, 'UUID');
}

function golden(name: string, ended: Ended, on: Stage): void {
  expectGolden(`cli/golden/${name}.txt`, shown(ended, on));
}

describe('vfio-hook detach and reattach', () => {
  it('there and back: nothing differs', () => {
    const on = stage('amd-rdna3-desktop');
    const before = picture(on);
    golden('detach', run(on, 'detach', '03:00.0,bar2=8MiB', USB), on);
    assert.deepEqual(drivers(on, [...CARD, USB]), Array(3).fill('vfio-pci'));
    golden('detach-again', run(on, 'detach', 'pci_0000_03_00_1'), on);
    golden('status-detached', run(on, 'status'), on);
    golden('recover-detached', run(on, 'recover'), on);
    golden('reattach-dry-run', run(on, 'reattach', '03:00.1', '--dry-run'), on);
    golden('reattach', run(on, 'reattach', '03:00.0'), on);
    assert.deepEqual(drivers(on, [...CARD, USB]), ['amdgpu', 'snd_hda_intel', 'vfio-pci']);
    golden('reattach-others', run(on, 'reattach', USB, '03:00.0'), on);
    assert.deepEqual([picture(on), claims(on)], [before, {}]);
  });

  it('back twice, for a card that began on vfio-pci: the second time it says that there is nothing to do', () => {
    const on = stage('amd-rdna3-desktop');
    for (const device of CARD) {
      on.machine.perform({ do: 'load', module: 'vfio-pci' });
      run(on, 'detach', device);
    }
    // As after boot with vfio-pci.ids=…: nobody has a claim.
    rmSync(join(on.directory, 'run/claims'), { recursive: true });
    const before = picture(on);
    assert.equal(run(on, 'detach', '03:00.0').status, 0);
    const stays = CARD.map((device) => `${device}: stays on vfio-pci`);
    const first = run(on, 'reattach', '03:00.0', '03:00.1');
    assert.deepEqual([first.status, first.stdout], [0, `${stays.join('\n')}\n`]);
    const again = run(on, 'reattach', '03:00.0', '03:00.1');
    const why = ' (given back already: it was there before its detach; --driver names one of the host)';
    assert.deepEqual([again.status, again.stdout], [0, `${stays.map((line) => line + why).join('\n')}\n`]);
    assert.deepEqual([picture(on), claims(on)], [before, {}]);
  });

  it('back with a broken configuration, which is said', () => {
    const on = stage('amd-rdna3-desktop');
    const before = picture(on);
    assert.equal(run(on, 'detach', '03:00.0').status, 0);
    configure(on, 'config.yaml', 'timeouts: {');
    const { status, stderr } = run(on, 'reattach', '03:00.0');
    assert.match(
      stderr,
      /^vfio-hook: cannot use configuration .*config\.yaml: .*; the usual timeouts count\n$/,
    );
    assert.deepEqual([status, picture(on), claims(on)], [0, before, {}]);
  });

  it('a card by address comes with its sound function in a group of its own, there and back', () => {
    const on = stage('amd-rdna3-desktop', (spec) => ({
      ...spec,
      devices: spec.devices.map((device) => (device.address === CARD[1] ? { ...device, group: 99 } : device)),
    }));
    const before = picture(on);
    assert.equal(run(on, 'bind', '--vendor', 'amd', '03:00.0', '--dry-run').status, 0);
    assert.equal(run(on, 'bind', '03:00.0').status, 0);
    assert.deepEqual(drivers(on, CARD), ['vfio-pci', 'vfio-pci']);
    const back = run(on, 'unbind', '03:00.0');
    assert.equal(back.stdout, '0000:03:00.0: vfio-pci → amdgpu\n0000:03:00.1: vfio-pci → snd_hda_intel\n');
    assert.deepEqual([picture(on), claims(on)], [before, {}]);
    // Named by itself it goes by itself; so does a card for a driver of the host.
    assert.equal(run(on, 'detach', '03:00.1').status, 0);
    assert.deepEqual(drivers(on, CARD), ['amdgpu', 'vfio-pci']);
    assert.equal(run(on, 'reattach', '03:00.1').status, 0);
  });

  it('a device of another vendor than the one that is named: status 2, and nothing is done', () => {
    const on = stage('amd-rdna3-desktop');
    for (const command of ['bind', 'unbind']) {
      const ended = run(on, command, '03:00.0', '--vendor', '0x10de');
      assert.deepEqual([ended.status, ended.stdout], [2, '']);
      assert.match(
        ended.stderr,
        /^vfio-hook: error: 0000:03:00\.0 is no device of NVIDIA: its vendor is 1002\n/,
      );
    }
    assert.equal(changes(on), 0);
  });

  it('the dry run shows the plan, changes nothing, and is what is then done', () => {
    const on = stage('amd-rdna3-desktop');
    const before = picture(on);
    const dry = run(on, 'detach', '03:00.0', '-n');
    golden('detach-dry-run', dry, on);
    const { steps } = JSON.parse(run(on, 'detach', '03:00.0', '-n', '--json').stdout) as {
      steps: { command: string }[];
    };
    assert.deepEqual([picture(on), changes(on), claims(on)], [before, 0, {}]);
    assert.equal(run(on, 'detach', '03:00.0').status, 0);
    assert.deepEqual(
      on.machine
        .journal()
        .map(({ operation, path, value }) =>
          operation === 'write' ? `echo ${value.trim()} > ${path}` : `modprobe -b ${path}`,
        ),
      steps.map(({ command }) => command),
    );
  });

  it('as JSON: where each device was and is', () => {
    const on = stage('amd-rdna3-desktop');
    expectGolden('cli/golden/detach.json', run(on, 'detach', '03:00.0,bar2=8MiB', '--json').stdout);
    expectGolden('cli/golden/detach-dry-run.json', run(on, 'detach', USB, '--json', '--dry-run').stdout);
    const steps = JSON.parse(run(on, 'reattach', '03:00.0', '--json', '-n').stdout) as { steps: unknown[] };
    assert.ok(steps.steps.length > 4);
    expectGolden('cli/golden/reattach.json', run(on, 'reattach', '03:00.0', '--json').stdout);
  });

  it('a guest finds what was detached, uses it and leaves it detached', () => {
    const on = stage('amd-rdna3-desktop');
    assert.equal(run(on, 'detach', '03:00.0').status, 0);
    const count = changes(on);
    succeeds(on, win11, 'prepare');
    golden('reattach-refused', run(on, 'reattach', '03:00.0'), on);
    golden('detach-refused', run(on, 'detach', '03:00.0,bar2=8MiB', '-n'), on);
    succeeds(on, win11, 'release');
    assert.equal(changes(on), count);
    assert.deepEqual(drivers(on, CARD), ['vfio-pci', 'vfio-pci']);
    assert.equal(run(on, 'reattach', '03:00.0').status, 0);
    assert.deepEqual(drivers(on, CARD), ['amdgpu', 'snd_hda_intel']);
  });

  it('of several cards those that are refused are passed over: status 2, with the reason', () => {
    const on = stage('nvidia-desktop');
    on.machine.perform({ do: 'load', module: 'vfio-pci' });
    const guest = { ...win11, xml: win11.xml.replaceAll("bus='0x03'", "bus='0x01'") };
    succeeds(on, guest, 'prepare');
    const ended = run(on, 'detach', '--vendor', '10de');
    golden('detach-skipped', ended, on);
    assert.equal(ended.status, 2);
  });

  it('what boot parameters put on vfio-pci goes to the drivers of the host', async () => {
    const on = stage('amd-rdna3-desktop');
    const host = on.machine.host();
    on.machine.perform({ do: 'load', module: 'vfio-pci' });
    for (const [path, value] of [
      [`drivers/xhci_hcd/unbind`, USB],
      [`devices/${USB}/driver_override`, 'vfio-pci'],
      [`drivers/vfio-pci/bind`, USB],
    ] as const)
      assert.deepEqual(await host.write(`/sys/bus/pci/${path}`, value, 100), { kind: 'written' });
    golden('reattach-unknown', run(on, 'reattach', USB), on);
    assert.deepEqual([drivers(on, [USB]), claims(on)], [['xhci_hcd'], {}]);
  });

  it('a driver that is none of vfio’s gets the named function alone', () => {
    const on = stage('amd-rdna3-desktop');
    const before = picture(on);
    golden('detach-stub', run(on, 'detach', '03:00.1', '--driver', 'pci-stub', '--verbose'), on);
    assert.deepEqual(drivers(on, CARD), ['amdgpu', 'pci-stub']);
    assert.equal(run(on, 'reattach', '03:00.1').status, 0);
    assert.deepEqual(picture(on), before);
  });

  it('a failure: status 1, and everything is as it was', () => {
    const on = stage('amd-rdna3-desktop');
    const before = picture(on);
    fault(on, { path: '*/vfio-pci/bind', value: CARD[1], effect: { kind: 'fail', errno: 'EIO' } });
    golden('detach-failed', run(on, 'detach', '03:00.0'), on);
    assert.deepEqual([picture(on), claims(on)], [before, {}]);
  });

  it('what cannot be put back: status 1, and recover retries', () => {
    const on = stage('amd-rdna3-desktop');
    const before = picture(on);
    assert.equal(run(on, 'detach', '03:00.0').status, 0);
    fault(on, { path: '*/amdgpu/bind', effect: { kind: 'fail', errno: 'EIO' } });
    golden('reattach-incomplete', run(on, 'reattach', '03:00.0'), on);
    assert.equal(run(on, 'status').status, 2);
    assert.equal(run(on, 'recover').status, 0);
    assert.deepEqual([picture(on), claims(on)], [before, {}]);
  });

  it('killed in the middle: recover puts back what was there', () => {
    const on = stage('amd-rdna3-desktop');
    const before = picture(on);
    fault(on, { path: '*/vfio-pci/bind', effect: { kind: 'kill', when: 'after' } });
    assert.equal(run(on, 'detach', '03:00.0').signal, 'SIGKILL');
    golden('status-detach-killed', run(on, 'status'), on);
    assert.equal(run(on, 'recover').status, 0);
    assert.deepEqual([picture(on), claims(on)], [before, {}]);
  });

  it('a signal in the middle: everything is as it was', async () => {
    const on = stage('amd-rdna3-desktop');
    configure(on, 'config.yaml', 'timeouts: { kernelWrite: 20s }\n');
    const before = picture(on);
    fault(on, { id: 'slow', path: '*/amdgpu/unbind', effect: { kind: 'hang' } });
    const running = startHook(['detach', '03:00.0', ...on.option], { program: installation().command });
    await until(() => on.machine.journal().some(({ path }) => path.endsWith('/amdgpu/unbind')));
    running.process.kill('SIGINT');
    on.machine.perform({ do: 'release-fault', id: 'slow' });
    const ended = await running.ended;
    assert.equal(ended.status, 1);
    assert.match(
      ended.stderr,
      /stopped before: .* \(SIGINT\); nothing is detached and everything is as it was/,
    );
    assert.deepEqual([picture(on), claims(on)], [before, {}]);
  });

  it('a guest’s claim under the name of a detach is not trusted', () => {
    const on = stage('amd-rdna3-desktop');
    succeeds(on, win11, 'prepare');
    const folder = join(on.directory, 'run/claims');
    copyFileSync(join(folder, `${win11.uuid}.json`), join(folder, `manual-${win11.uuid}.json`));
    assert.match(run(on, 'reattach', '03:00.0').stderr, /cannot be trusted: it is the claim of guest /);
    assert.match(call(on, exampleGuest('nvme-disk'), 'prepare').stderr, /cannot be trusted/);
  });

  it('what the host uses is refused, passed over by --all, and taken when it is allowed', () => {
    const on = stage('amd-rdna3-desktop');
    const before = picture(on);
    const APU = '0000:0f:00.0';
    golden('detach-host-use', run(on, 'detach', APU), on);
    assert.deepEqual([picture(on), changes(on), claims(on)], [before, 0, {}]);
    golden('detach-all', run(on, 'detach', '--all'), on);
    assert.deepEqual(drivers(on, [...CARD, APU]), [...Array<string>(2).fill('vfio-pci'), 'amdgpu']);
    assert.equal(run(on, 'reattach', '--all').status, 0);
    golden('detach-allowed', run(on, 'detach', APU, '--allow', 'boot-vga', '--allow', 'console'), on);
    assert.deepEqual(drivers(on, [APU]), ['vfio-pci']);
    assert.equal(run(on, 'reattach', APU).status, 0);
    assert.deepEqual([picture(on), claims(on)], [before, {}]);
  });

  for (const [name, args] of Object.entries({
    'detach-all-allow': ['detach', '--all', '--allow', 'boot-vga'],
    'detach-allow-nothing': ['detach', '0f:00.0', '--allow', 'boot-vg'],
    'detach-allow-unknown': ['detach', '0f:00.0', '--allow', 'root_disk'],
    'detach-nothing': ['detach'],
    'detach-two-ways': ['detach', '03:00.0', '--all'],
    'detach-no-address': ['detach', '3:0'],
    'detach-no-device': ['detach', '7f:00.0'],
    'reattach-no-device': ['reattach', '--device-id', 'dead:beef'],
  })) {
    it(`wrong usage: ${name}`, () => {
      const on = stage('amd-rdna3-desktop');
      golden(name, run(on, ...args), on);
      assert.equal(changes(on), 0);
    });
  }
});
