import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';

import type { CaseContext, LabCase } from '../guest/case.ts';
import { Domain } from '../guest/domain.ts';
import { must } from '../guest/execute.ts';
import { expectDriver } from '../guest/expect.ts';
import { processes, processesWith, signalAll } from '../guest/libvirtd.ts';
import { configure, vfioHook } from '../guest/product.ts';
import { attribute, driverOf } from '../guest/sysfs.ts';
import {
  defineUnit,
  expectStates,
  type LabUnit,
  property,
  startUnit,
  stateOf,
  user,
  waitForState,
} from '../guest/systemd.ts';
import { devices } from '../guest/topology.ts';
import { waitFor } from '../guest/wait.ts';

/** A card that only its daemon keeps from the guest; the network card of its group comes along. */
const card = [{ address: devices.bridgeSound }];
const drivers = { [devices.bridgeSound]: 'snd_intel8x0', [devices.bridgeNic]: 'e1000' };

const daemon: LabUnit = { name: 'lab-daemon.service' };
const idle: LabUnit = { name: 'lab-idle.service' };
const receiver: LabUnit = { name: 'lab-receiver.service' };
const ofUser: LabUnit = { name: 'lab-session.service', ofUser: true };
const libvirtd: LabUnit = { name: 'libvirtd.service' };

const sleeps = ['[Service]', 'ExecStart=/usr/bin/sleep infinity'];

/** A service that keeps the sound card open: until it is gone, the unbind of the card would wait. */
async function defineDaemon(context: CaseContext, ...more: readonly string[]): Promise<void> {
  const sound = readdirSync(attribute(devices.bridgeSound, 'sound')).find((name) => name.startsWith('card'));
  const node = `/dev/snd/controlC${sound?.slice('card'.length) ?? ''}`;
  const holds = `ExecStart=/bin/sh -c 'exec /usr/bin/sleep infinity <${node}'`;
  await defineUnit(context, daemon, ...more, '[Service]', holds);
  await startUnit(daemon);
}

const stopDaemon = `services: { stop: [${daemon.name}] }\n`;

/** A card that nobody has open: on a busy emulator a look at who has takes longer than the hook gives itself for it. */
const free = [{ address: devices.nic }];
const freeDriver = 'e1000e';

/** Starts the guest and stops its hook right after the card was taken away; gives the processes of the hook. */
async function startUntilCardIsTaken(domain: Domain): Promise<readonly number[]> {
  let refusal: string | undefined;
  void domain.tryStart().then(
    ({ stderr }) => (refusal = stderr),
    () => undefined,
  );
  const deadline = performance.now() + 90_000;
  while (driverOf(devices.nic) === freeDriver) {
    assert.ok(refusal === undefined && performance.now() < deadline, refusal ?? 'the hook took nothing away');
    await setImmediate();
  }
  const hook = processesWith(domain.name, 'prepare');
  assert.ok(hook.length > 0, 'the hook was faster than this case');
  signalAll(hook, 'SIGSTOP');
  assert.notEqual(await stateOf(daemon), 'active');
  return hook;
}

/** Ends libvirtd and whatever else, at one moment; systemd starts it again by itself (Restart=on-failure). */
async function killLibvirtd(...others: readonly number[]): Promise<void> {
  const before = await property(libvirtd, 'InvocationID');
  const daemons = processes('libvirtd');
  // Stopped first: it must not see the others end.
  signalAll(daemons, 'SIGSTOP');
  signalAll(others, 'SIGKILL');
  signalAll(daemons, 'SIGKILL');
  await waitFor(
    'systemd to start libvirtd again',
    90,
    async () =>
      ((await stateOf(libvirtd)) === 'active' && (await property(libvirtd, 'InvocationID')) !== before) ||
      undefined,
  );
}

function expectHostDrivers(): void {
  for (const [device, driver] of Object.entries(drivers)) expectDriver(driver, device);
}

/** What the recover unit said in this boot, the last lines. */
async function recoverLog(): Promise<string> {
  return must('journalctl', ['--unit=vfio-hook-recover', '--output=cat', '--lines=20', '--no-pager']);
}

export const serviceCases: readonly LabCase[] = [
  {
    name: 'the host does not sleep while a guest runs: logind says who keeps it awake, and nobody does afterwards',
    limit: 180,
    async run(context) {
      const inhibitors = async (): Promise<string> => must('systemd-inhibit', ['--list', '--no-legend']);
      configure(context, 'awake', 'sleep: block\n');
      const domain = await Domain.define(context, 'awake', free);
      assert.doesNotMatch(await inhibitors(), /vfio-hook/);
      await domain.start();
      assert.match(await inhibitors(), /^vfio-hook\s.*\ssleep\s.*\sblock\s*$/m);
      await domain.shutdown();
      assert.doesNotMatch(await inhibitors(), /vfio-hook/);
    },
  },
  {
    name: 'services of the host and of a user are stopped and started for a guest, and are what they were afterwards',
    limit: 200,
    async run(context) {
      await defineDaemon(context);
      for (const unit of [idle, receiver, ofUser]) await defineUnit(context, unit, ...sleeps);
      await startUnit(ofUser);
      const before = new Map([
        [daemon, 'active'],
        [idle, 'inactive'],
        [ofUser, 'active'],
        [receiver, 'inactive'],
      ]);
      await expectStates(before);
      configure(
        context,
        'served',
        `services:\n  stop: [${daemon.name}, ${idle.name}, { unit: ${ofUser.name}, user: ${user.id} }]\n  start: [${receiver.name}]\n`,
      );
      const domain = await Domain.define(context, 'served', card);
      await domain.start();
      expectDriver('vfio-pci', ...Object.keys(drivers));
      await expectStates(
        new Map([
          [daemon, 'inactive'],
          [idle, 'inactive'],
          [ofUser, 'inactive'],
          [receiver, 'active'],
        ]),
      );
      await domain.shutdown();
      expectHostDrivers();
      await expectStates(before);
    },
  },
  {
    name: 'two guests want a service stopped, and libvirtd is restarted between: it comes back after the second',
    limit: 240,
    async run(context) {
      await defineDaemon(context);
      configure(context, 'first', stopDaemon);
      configure(context, 'second', stopDaemon);
      const first = await Domain.define(context, 'first', card);
      const second = await Domain.define(context, 'second', []);
      await first.start();
      await must('systemctl', ['restart', libvirtd.name]);
      assert.match(await recoverLog(), /left alone[^]*running/);
      await second.start();
      await first.shutdown();
      assert.equal(await stateOf(daemon), 'inactive');
      await second.destroy();
      await waitForState(daemon, 'active');
    },
  },
  {
    name: 'the hook is killed -9 after it has stopped a service: the end of the start brings services back',
    limit: 200,
    async run(context) {
      await defineUnit(context, daemon, ...sleeps);
      await startUnit(daemon);
      configure(context, 'killed', stopDaemon);
      const domain = await Domain.define(context, 'killed', free);
      signalAll(await startUntilCardIsTaken(domain), 'SIGKILL');
      await domain.isOff();
      await waitForState(daemon, 'active');
      expectDriver(freeDriver, devices.nic);
    },
  },
  {
    name: 'libvirtd and the hook are killed -9: the recover unit brings services of host and user back before libvirtd is up',
    limit: 240,
    async run(context) {
      await defineUnit(context, daemon, ...sleeps);
      await startUnit(daemon);
      await defineUnit(context, ofUser, ...sleeps);
      await startUnit(ofUser);
      const stop = `[${daemon.name}, { unit: ${ofUser.name}, user: ${user.id} }]`;
      configure(context, 'killed', `services: { stop: ${stop} }\n`);
      const domain = await Domain.define(context, 'killed', free);
      await killLibvirtd(...(await startUntilCardIsTaken(domain)));
      assert.equal(await stateOf(daemon), 'active');
      assert.equal(await stateOf(ofUser), 'active');
      expectDriver(freeDriver, devices.nic);
      context.note((await recoverLog()).trim());
    },
  },
  {
    name: 'a service that is ordered after libvirtd comes back by the recover unit, and neither waits for the other',
    limit: 300,
    async run(context) {
      await defineDaemon(context, '[Unit]', `After=${libvirtd.name}`);
      configure(context, 'ordered', stopDaemon);
      const domain = await Domain.define(context, 'ordered', card);
      await domain.start();
      const started = performance.now();
      await killLibvirtd(domain.pid());
      context.note(
        `libvirtd is up ${((performance.now() - started) / 1000).toFixed(1)} s after it was killed`,
      );
      context.note((await recoverLog()).trim());
      await waitForState(daemon, 'active');
      const { stdout } = await vfioHook('status');
      assert.match(stdout, /no guest|nothing/i, stdout);
      expectHostDrivers();
    },
  },
];
