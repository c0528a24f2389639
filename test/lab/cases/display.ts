import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';

import type { CaseContext, LabCase } from '../guest/case.ts';
import { Domain } from '../guest/domain.ts';
import type { Execution } from '../guest/execute.ts';
import { expectDriver } from '../guest/expect.ts';
import { processesWith, signalAll } from '../guest/libvirtd.ts';
import { configure, vfioHook } from '../guest/product.ts';
import {
  consoleText,
  defineDisplayManager,
  displayManager,
  pixels,
  screen,
  writeConsole,
} from '../guest/screen.ts';
import { differences, takeSnapshot } from '../guest/snapshot.ts';
import { driverOf } from '../guest/sysfs.ts';
import { startUnit, stateOf, stopUnit, waitForState } from '../guest/systemd.ts';
import { devices } from '../guest/topology.ts';

/** Both functions of the only card of the machine. */
const card = [{ address: devices.consoleGpu }, { address: devices.consoleAudio }];
const driver = 'bochs-drm';
const text = 'this stands on the console of the host';

/** A guest that gets the card, with the login screen on it. */
async function defineSingle(context: CaseContext, name: string): Promise<Domain> {
  writeConsole(text);
  await defineDisplayManager(context);
  configure(context, name, 'display: { release: auto }\n');
  return Domain.define(context, name, card);
}

/** Whether the login screen has processes: systemd removes the control group of a service that has none. */
function isShown(): boolean {
  return existsSync(`/sys/fs/cgroup/system.slice/${displayManager.name}`);
}

/** Where a hook is killed: the operation, and what has come about just then. */
const points: readonly {
  readonly name: string;
  readonly during: 'prepare' | 'release';
  readonly at: () => boolean;
}[] = [
  { name: 'after the login screen was stopped', during: 'prepare', at: () => !isShown() },
  {
    name: 'after the card was taken',
    during: 'prepare',
    at: () => driverOf(devices.consoleGpu) === undefined,
  },
  {
    name: 'while the card is on its way back',
    during: 'release',
    at: () => driverOf(devices.consoleGpu) !== 'vfio-pci',
  },
];

/** Kills every process of the hook once this has come about, which what calls it does not come to the end of before. */
async function killHook(
  domain: Domain,
  during: string,
  at: () => boolean,
  caller: Promise<Pick<Execution, 'stderr'>>,
): Promise<void> {
  let said: string | undefined;
  void caller.then(({ stderr }) => (said = stderr));
  const deadline = performance.now() + 90_000;
  while (!at()) {
    assert.ok(said === undefined && performance.now() < deadline, said ?? 'the hook did not come to it');
    await setImmediate();
  }
  const hook = processesWith(domain.name, during);
  assert.ok(hook.length > 0, 'the hook was faster than this case');
  signalAll(hook, 'SIGKILL');
}

export function displayCases(cycles: number): readonly LabCase[] {
  return [
    {
      name: `the only card is handed over, and login screen and console are back, ${cycles} times without drift`,
      limit: 120 + 60 * cycles,
      async run(context) {
        const domain = await defineSingle(context, 'single');
        const painted = pixels();
        assert.notEqual(painted, undefined, 'the console is black before anything was done');
        await startUnit(displayManager);
        const [before, shown] = [takeSnapshot(), screen()];
        for (let cycle = 1; cycle <= cycles; cycle += 1) {
          await domain.start();
          expectDriver('vfio-pci', devices.consoleGpu, devices.consoleAudio);
          assert.equal(await stateOf(displayManager), 'inactive');
          await domain.shutdown();
          await waitForState(displayManager, 'active');
          assert.deepEqual(differences(before, takeSnapshot()), [], `after cycle ${cycle}`);
          assert.deepEqual(screen(), shown, `after cycle ${cycle}`);
        }
        await stopUnit(displayManager);
        assert.equal(consoleText(), text);
        assert.equal(pixels(), painted, 'the console shows what it showed before');
      },
    },
    {
      name: 'a login screen that did not run does not run afterwards, and the console shows its text again',
      limit: 200,
      async run(context) {
        const domain = await defineSingle(context, 'single');
        const [painted, shown] = [pixels(), screen()];
        await domain.start();
        await domain.shutdown();
        assert.equal(await stateOf(displayManager), 'inactive');
        assert.deepEqual(screen(), shown);
        assert.equal(pixels(), painted);
      },
    },
    ...points.map(({ name, during, at }): LabCase => ({
      name: `the hook is killed -9 ${name}: the login screen runs in the end`,
      limit: 240,
      async run(context) {
        const domain = await defineSingle(context, 'single');
        await startUnit(displayManager);
        const shown = screen();
        if (during === 'prepare') {
          const start = domain.tryStart();
          await killHook(domain, during, at, start);
          assert.notEqual((await start).status, 0);
        } else {
          await domain.start();
          const end = domain.destroy();
          await killHook(
            domain,
            during,
            at,
            end.then(() => ({ stderr: 'the guest is off' })),
          );
          await end;
          const { status, stderr } = await vfioHook('recover');
          assert.equal(status, 0, stderr);
        }
        await domain.isOff();
        await waitForState(displayManager, 'active');
        expectDriver(driver, devices.consoleGpu);
        assert.deepEqual(screen(), shown);
      },
    })),
  ];
}
