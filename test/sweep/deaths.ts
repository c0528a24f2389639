import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { VfioHookError } from '../../src/errors.ts';
import type { PciAddress } from '../../src/pci/address.ts';
import { failureOf, pci, type Scenario } from '../scenario.ts';
import { aroundHost, intercept, type Around, type Call } from './calls.ts';
import { handOver, NAME, recoverAll, type Stage } from './stage.ts';

/** What a process does. */
export type Run = (stage: Stage) => Promise<unknown>;

/** What may die. */
export const runs: Readonly<Record<'prepare' | 'release' | 'recover', Run>> = {
  prepare: ({ s, domain }) => s.prepare(domain),
  release: ({ s }) => s.release(NAME),
  recover: recoverAll,
};

/** How the machine comes to rest after a run has died. Each must leave nothing different. */
export const ways: Readonly<Record<'release' | 'recover' | 'prepare again' | 'reboot', Run>> = {
  release: runs.release,
  recover: runs.recover,
  'prepare again': async (stage) => {
    await handOver(stage);
    await stage.s.release(NAME);
  },
  reboot: async (stage) => {
    const { s } = stage;
    s.happens({ do: 'reboot' });
    s.writes();
    await s.release(NAME);
    assert.deepEqual(s.writes(), [], 'a claim of the last boot was acted on');
    // On a real host /run is empty now; should it not be, what is in it must not matter.
    await handOver(stage);
    await s.release(NAME);
    assert.deepEqual(await s.recover(), []);
  },
};

/**
 * Everything that a death leaves which a later run can see, but for what tells processes and times apart. `waiting` are
 * the calls that wait in the kernel.
 */
export function remainsOf(s: Scenario, waiting: readonly Call[]): string {
  const { modules, tasks } = s.machine.state();
  const claims = join(s.directory, 'run/claims');
  const files = existsSync(claims)
    ? readdirSync(claims).map((name) => [
        name,
        readFileSync(join(claims, name), 'utf8').replace(/"(pid|startTime|checksum)": "?\w+/g, '$1'),
      ])
    : [];
  const writes = tasks.map(({ write }) => write);
  return JSON.stringify([s.observation(), Object.keys(modules), writes, files, waiting]);
}

/** After a death: a way back, and before that, the same while calls that the dead run has made wait in the kernel. */
export async function comesToRest(stage: Stage, waiting: readonly Call[], comeToRest: Run): Promise<void> {
  const { s } = stage;
  if (waiting.length > 0) {
    await keepsOff(stage, waiting, comeToRest);
    s.machine.perform({ do: 'release-fault', id: HANG });
  }
  await comeToRest(stage);
  s.nothingDiffers();
}

/** While a dead run's writes wait in the kernel, their devices are not touched, and nobody says that all is well. */
async function keepsOff(stage: Stage, waiting: readonly Call[], comeToRest: Run): Promise<void> {
  const { s } = stage;
  if (comeToRest === ways.reboot) return;
  s.writes();
  const devices = waiting.flatMap(deviceOf);
  if (devices.length === 0) {
    // No device waits: all may be well.
    await comeToRest(stage).catch((error: unknown) => {
      assert.ok(error instanceof VfioHookError, String(error));
    });
    return;
  }
  const error = await failureOf(comeToRest(stage));
  assert.match(error.code, /^VH_(STUCK|INCOMPLETE)$/, error.message);
  const touched = s.writes().filter((write) => devices.some((device) => write.includes(device)));
  assert.deepEqual(touched, [], 'a device was touched while a write waited for it');
}

/** The device that a call changes something of; one that only asks takes effect nowhere. */
export function deviceOf({ name }: Call): PciAddress[] {
  if (name.includes(' --query-gpu=')) return [];
  const address = /[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]/.exec(name)?.[0];
  return address === undefined ? [] : [pci(address)];
}

/** Name of the fault that makes a call wait in the kernel when its process dies. */
export const HANG = 'in the kernel when its process died';

/** The calls of a run that nothing happens to. */
export async function callsOf(s: Scenario, run: () => Promise<unknown>): Promise<readonly Call[]> {
  const calls: Call[] = [];
  await within(
    s,
    (call, make) => {
      calls.push(call);
      return make();
    },
    run,
  );
  return calls;
}

async function within(s: Scenario, around: Around, run: () => Promise<unknown>): Promise<void> {
  s.wrapHost = (host) => aroundHost(host, around);
  try {
    await intercept(s.directory, around, run);
  } finally {
    s.wrapHost = (host) => host;
  }
}
