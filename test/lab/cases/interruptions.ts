import assert from 'node:assert/strict';
import { closeSync, existsSync, openSync, readdirSync, rmSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';

import type { LabCase } from '../guest/case.ts';
import { Domain } from '../guest/domain.ts';
import { must } from '../guest/execute.ts';
import { expectDriver } from '../guest/expect.ts';
import { processesWith, restartLibvirtd, signalAll, startLibvirtd, stopLibvirtd } from '../guest/libvirtd.ts';
import { poolPages } from '../guest/hugepages.ts';
import { configure, configureHost, vfioHook } from '../guest/product.ts';
import { differences, takeSnapshot } from '../guest/snapshot.ts';
import { attribute, driverOf, read } from '../guest/sysfs.ts';
import { devices } from '../guest/topology.ts';
import { waitFor } from '../guest/wait.ts';
import { card } from './life-cycle.ts';

/**
 * Starts the guest and ends libvirtd in the middle of prepare, right after the first host driver was taken away; then
 * the hook gets this signal.
 */
async function interruptPrepare(domain: Domain, signal: 'SIGCONT' | 'SIGKILL'): Promise<void> {
  const start = domain.tryStart().catch(() => undefined);
  const deadline = performance.now() + 60_000;
  while (driverOf(devices.gpuAudio) === 'snd_hda_intel') {
    assert.ok(performance.now() < deadline, 'the hook took nothing away');
    await setImmediate();
  }
  const hook = processesWith(domain.name, 'prepare');
  assert.ok(hook.length > 0, 'the hook was faster than this case');
  // Stopped until libvirtd is gone, so that it is in the middle of its work then.
  signalAll(hook, 'SIGSTOP');
  await stopLibvirtd('SIGKILL');
  signalAll(hook, signal);
  await start;
}

/**
 * Stops the hook when the first round of a start is done, the second not yet begun. So many huge pages are the last thing
 * of the first one: it is stopped while the kernel makes them, which its child waits for. @returns its processes
 */
async function stopBetweenRounds(domain: Domain, pages: number): Promise<readonly number[]> {
  const before = poolPages();
  const deadline = performance.now() + 60_000;
  const meanwhile = async (): Promise<void> => {
    assert.ok(performance.now() < deadline, 'the hook did not come to it');
    await setImmediate();
  };
  while (!existsSync(attribute(devices.igb, 'virtfn0'))) await meanwhile();
  // Looked up while the kernel is still at work on the virtual functions: later there is no time for it.
  const hook = processesWith(domain.name, 'prepare');
  assert.ok(hook.length > 0, 'the hook was faster than this case');
  while (poolPages() === before) await meanwhile();
  signalAll(hook, 'SIGSTOP');
  await waitFor('the huge pages', 60, () => poolPages() === before + pages || undefined);
  return hook;
}

/** What `vfio-hook status --json` says of a claim, as far as it matters here. */
interface ClaimSummary {
  readonly state: string;
  readonly devices: readonly unknown[];
  readonly holds: readonly { readonly kind: string; readonly original: unknown }[];
}

export const interruptionCases: readonly LabCase[] = [
  {
    name: 'libvirtd is killed -9 during prepare: the hook ends its work, and recover gives the devices back',
    limit: 200,
    async run(context) {
      const domain = await Domain.define(context, 'interrupted', card);
      await interruptPrepare(domain, 'SIGCONT');
      await waitFor(
        'the end of the hook',
        60,
        () => processesWith(domain.name, 'prepare').length === 0 || undefined,
      );
      await startLibvirtd();
      assert.equal(await domain.state(), 'shut off');
      const early = await vfioHook('recover');
      assert.match(early.stdout, /left alone\n.*may be starting/, early.stderr);
      // A guest that has not come by then is not on its way any more. The clock is moved in place of waiting.
      await must('date', ['--set', '+61 seconds']);
      const { status, stdout, stderr } = await vfioHook('recover');
      assert.equal(status, 0, stderr);
      expectDriver('snd_hda_intel', devices.gpuAudio);
      expectDriver(undefined, devices.gpu);
      context.note(stdout.trim());
    },
  },
  {
    name: 'recover before the next start of libvirtd, as its systemd unit runs it, gives the devices back at once',
    limit: 200,
    async run(context) {
      const domain = await Domain.define(context, 'interrupted', card);
      await interruptPrepare(domain, 'SIGCONT');
      await waitFor(
        'the end of the hook',
        60,
        () => processesWith(domain.name, 'prepare').length === 0 || undefined,
      );
      const { status, stderr } = await vfioHook('recover');
      assert.equal(status, 0, stderr);
      expectDriver('snd_hda_intel', devices.gpuAudio);
      expectDriver(undefined, devices.gpu);
      await startLibvirtd();
    },
  },
  {
    name: 'libvirtd and the hook are killed -9 during prepare: recover gives the devices back',
    limit: 200,
    async run(context) {
      const domain = await Domain.define(context, 'interrupted', card);
      await interruptPrepare(domain, 'SIGKILL');
      await startLibvirtd();
      const { status, stderr } = await vfioHook('recover');
      assert.equal(status, 0, stderr);
      expectDriver('snd_hda_intel', devices.gpuAudio);
    },
  },
  {
    name: 'libvirtd and the hook are killed -9 during prepare: the next start works, and its end gives all back',
    limit: 240,
    async run(context) {
      const domain = await Domain.define(context, 'interrupted', card);
      await interruptPrepare(domain, 'SIGKILL');
      await startLibvirtd();
      await domain.start();
      expectDriver('vfio-pci', devices.gpu, devices.gpuAudio);
      await domain.shutdown();
    },
  },
  {
    name: 'holds: libvirtd and the hook are killed -9 between the rounds of a start, and recover takes all of it back',
    limit: 240,
    async run(context) {
      const first = '0000:02:10.0';
      const pages = 200;
      configureHost(context, `sriov:\n  - { pf: "${devices.igb}", vfs: 2 }\n`);
      configure(context, 'between', `hugepages: { size: 2MiB, count: ${pages} }\n`);
      const before = takeSnapshot();
      const domain = await Domain.define(context, 'between', [{ address: first }]);

      const start = domain.tryStart().catch(() => undefined);
      const hook = await stopBetweenRounds(domain, pages);
      await stopLibvirtd('SIGKILL');
      signalAll(hook, 'SIGKILL');
      await start;
      assert.equal(read(attribute(devices.igb, 'sriov_numvfs')), '2');
      expectDriver(undefined, first);
      const { stdout } = await vfioHook('status', '--json');
      const [claim] = (JSON.parse(stdout) as { readonly claims: readonly ClaimSummary[] }).claims;
      assert.deepEqual(
        [claim?.state, claim?.devices, claim?.holds.map(({ kind, original }) => [kind, original])],
        [
          'preparing',
          [],
          [
            ['vfs', { count: 0, autoprobe: true, power: 'on' }],
            ['hugepages', { pages: 0 }],
          ],
        ],
        stdout,
      );

      const { status, stderr } = await vfioHook('recover');
      assert.equal(status, 0, stderr);
      assert.deepEqual(differences(before, takeSnapshot()), []);
      await startLibvirtd();
    },
  },
  {
    name: 'recover leaves the devices of a running guest alone',
    limit: 200,
    async run(context) {
      const domain = await Domain.define(context, 'running', card);
      await domain.start();
      const { status, stderr } = await vfioHook('recover');
      assert.equal(status, 0, stderr);
      expectDriver('vfio-pci', devices.gpu, devices.gpuAudio);
      assert.equal(await domain.state(), 'running');
      await domain.destroy();
    },
  },
  {
    name: 'a guest that libvirtd starts on its own (autostart) gets its devices',
    limit: 200,
    async run(context) {
      const domain = await Domain.define(context, 'automatic', card);
      await must('virsh', ['-q', 'autostart', domain.name]);
      context.afterwards(async () => {
        await must('virsh', ['-q', 'autostart', '--disable', domain.name]);
      });
      // libvirtd starts guests once in the life of a host; this file is how it knows.
      rmSync('/run/libvirt/qemu/autostarted', { force: true });
      await restartLibvirtd();
      await waitFor('the guest', 60, async () => (await domain.state()) === 'running' || undefined);
      await domain.runs();
      expectDriver('vfio-pci', devices.gpu, devices.gpuAudio);
      await domain.destroy();
    },
  },
  {
    name: 'a program holds the sound card open: the start is refused in time, and recover finishes the job later',
    limit: 240,
    async run(context) {
      const domain = await Domain.define(context, 'held', card);
      configure(context, 'held', 'timeouts: { kernelWrite: 3s }\n');
      const holder = openSync(soundControl(devices.gpuAudio), 'r');
      try {
        const { status, stderr, milliseconds } = await domain.tryStart();
        assert.notEqual(status, 0);
        assert.match(stderr, new RegExp(devices.gpuAudio.replace('.', '\\.')));
        assert.ok(milliseconds < 60_000, `${Math.round(milliseconds)} ms until the refusal`);
      } finally {
        closeSync(holder);
      }
      await waitFor('recover to finish the job', 60, async () => {
        await vfioHook('recover');
        return driverOf(devices.gpuAudio) === 'snd_hda_intel' || undefined;
      });
      assert.ok(existsSync(soundControl(devices.gpuAudio)));
    },
  },
];

/** The control node of a sound card: as long as one is open, the driver's remove() does not return. */
function soundControl(device: string): string {
  const cardName = readdirSync(attribute(device, 'sound')).find((name) => name.startsWith('card'));
  return `/dev/snd/controlC${cardName?.slice('card'.length) ?? ''}`;
}
