import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { JournalEntry } from '../../simulator/state.ts';
import {
  begin,
  call,
  claims,
  configure,
  fault,
  guestWith,
  picture,
  type Guest,
  type Stage,
} from '../hook/stage.ts';
import { machineSpec, claimedBy } from '../scenario.ts';
import { holdsMachine, recoverBesideEnd, shareCard, sharePool } from './contention-holds.ts';
import { lastOfIntel, lastOfNvidia } from './contention-slices.ts';
import { atOnce, beginCommand, eachRound } from './rounds.ts';
import type { Sweep } from './sweep.ts';

const HOST = 'amd-rdna3-desktop';
const GPU = '0000:03:00.0';
const SOUND = '0000:03:00.1';
const USB = '0000:0f:00.3';

/** Guests that all want one group, each by another set of devices, named in another order. */
const rivals = [[GPU], [SOUND], [USB, GPU], [SOUND, USB]].map((devices, index) =>
  guestWith(devices, {
    name: `guest ${'abcd'[index] ?? ''}`,
    uuid: `b7a1e0d2-0d57-4b6b-9a43-4e1a2b9f0c1${index}`,
  }),
);
const [first, second] = rivals as [Guest, Guest];
const elsewhere = guestWith([USB], { name: 'elsewhere', uuid: 'b7a1e0d2-0d57-4b6b-9a43-4e1a2b9f0c19' });

/** Real processes of the compiled hook on one machine, which all of them see through one file. */
export const contention: Sweep = {
  name: 'contention',
  compiled: true,
  parts: [
    'two starts',
    'four starts',
    'start and release',
    'start during release',
    'ends of one guest',
    'parts of one detach',
    'disjoint groups',
    'parameter of all guests',
    'one pool of huge pages',
    'virtual functions of one card',
    'recover beside an end',
    'last mediated device of a parent',
    'last vGPU of a card',
    'stopped hook',
  ],
  alone: true,
  run: async (part, tally) => {
    const desktop = machineSpec(HOST);
    switch (part) {
      case 'two starts':
        await eachRound(tally, { rounds: 200, machine: desktop, lanes: 2 }, (on) =>
          onlyOneStarts(on, rivals.slice(0, 2)),
        );
        return;
      case 'four starts':
        await eachRound(tally, { rounds: 200, machine: desktop, lanes: 2 }, (on) =>
          onlyOneStarts(on, rivals),
        );
        return;
      case 'start and release':
        await eachRound(tally, { rounds: 100, machine: desktop }, startsAndReleases);
        return;
      case 'start during release':
        await eachRound(tally, { rounds: 50, machine: desktop }, waitsForRelease);
        return;
      case 'ends of one guest':
        await eachRound(tally, { rounds: 50, machine: desktop, lanes: 2 }, endsOnce);
        return;
      case 'parts of one detach':
        await eachRound(tally, { rounds: 50, machine: desktop, lanes: 2 }, givesPartsBack);
        return;
      case 'disjoint groups':
        await eachRound(tally, { rounds: 20, machine: desktop }, doNotWait);
        return;
      case 'parameter of all guests': {
        const machine = machineSpec(HOST, { interruptRemapping: false });
        await eachRound(tally, { rounds: 50, machine, lanes: 2 }, shareParameter);
        return;
      }
      case 'one pool of huge pages':
        await eachRound(tally, { rounds: 50, machine: holdsMachine(), lanes: 2 }, sharePool);
        return;
      case 'virtual functions of one card':
        await eachRound(tally, { rounds: 50, machine: holdsMachine(), lanes: 2 }, shareCard);
        return;
      case 'recover beside an end':
        await eachRound(tally, { rounds: 50, machine: holdsMachine(), lanes: 2 }, recoverBesideEnd);
        return;
      case 'last mediated device of a parent':
        await eachRound(tally, { rounds: 25, machine: machineSpec('intel-gvt-g'), lanes: 2 }, lastOfIntel);
        return;
      case 'last vGPU of a card':
        await eachRound(
          tally,
          { rounds: 25, machine: machineSpec('nvidia-vgpu-server'), lanes: 2 },
          lastOfNvidia,
        );
        return;
      case 'stopped hook':
        await eachRound(tally, { rounds: 5, machine: desktop }, givesUpOnStopped);
    }
  },
};

/** Of guests that start at the same moment on one group, one gets it, and the others are told which. */
async function onlyOneStarts(on: Stage, guests: readonly Guest[]): Promise<void> {
  const calls = guests.map((guest) => begin(on, guest, 'prepare'));
  const ends = await Promise.all(calls.map(({ ended }) => ended));
  const winners = guests.filter((_, index) => ends[index]?.status === 0);
  assert.equal(winners.length, 1, JSON.stringify(ends));
  for (const [index, { status, stdout, stderr }] of ends.entries()) {
    assert.equal(stdout, '');
    if (guests[index] === winners[0]) assert.equal(stderr, '');
    else {
      assert.equal(status, 1);
      const holder = `guest "${winners[0]?.name ?? ''}" holds it\n`;
      assert.ok(stderr.split('vfio-hook: hint')[0]?.endsWith(holder), stderr);
    }
  }
  const held = Object.values(claims(on)).map((claim) => `${claimedBy(claim)} ${claim.state}`);
  assert.deepEqual(held, [`${winners[0]?.name ?? ''} held`]);
  assert.equal(new Set(on.machine.journal().map(({ pid }) => pid)).size, 1, 'two processes wrote');
}

/** A guest starts while another one gives the same group back: first the one writes, then the other, if at all. */
async function startsAndReleases(on: Stage): Promise<void> {
  assert.equal(call(on, first, 'prepare').status, 0);
  const before = on.machine.journal().length;
  const releasing = begin(on, first, 'release');
  const starting = begin(on, second, 'prepare');
  const [released, started] = await Promise.all([releasing.ended, starting.ended]);
  assert.deepEqual([released.status, released.stderr], [0, '']);
  const writers = runsOf(on.machine.journal().slice(before));
  const held = Object.values(claims(on)).map(claimedBy);
  if (started.status === 0) {
    assert.equal(writers.length, 2, `writers took turns: ${writers.join(' ')}`);
    assert.deepEqual(held, [second.name]);
    assert.equal(call(on, second, 'release').status, 0);
  } else {
    assert.match(started.stderr, /: guest "guest a" holds it\n/);
    assert.equal(writers.length, 1);
    assert.deepEqual(held, []);
  }
  const { devices } = on.machine.state();
  assert.deepEqual([devices[GPU]?.driver, devices[SOUND]?.driver], ['amdgpu', 'snd_hda_intel']);
}

/** A guest starts while the release of another one waits in the kernel: it waits for the lock, and then has the group. */
async function waitsForRelease(on: Stage): Promise<void> {
  assert.equal(call(on, first, 'prepare').status, 0);
  const before = on.machine.journal().length;
  fault(on, { id: 'slow', path: '*/vfio-pci/unbind', effect: { kind: 'hang' } });
  const releasing = begin(on, first, 'release');
  await waitsInKernel(on);
  const starting = begin(on, second, 'prepare');
  await until('the start waits', () => logOf(on).includes(`waiting for guest "${first.name}"`));
  on.machine.perform({ do: 'release-fault', id: 'slow' });
  const ends = await Promise.all([releasing.ended, starting.ended]);
  assert.deepEqual(
    ends.map(({ status, stderr }) => [status, stderr]),
    [
      [0, ''],
      [0, ''],
    ],
  );
  assert.equal(runsOf(on.machine.journal().slice(before)).length, 2, 'writers took turns');
  assert.deepEqual(Object.values(claims(on)).map(claimedBy), [second.name]);
}

/** Of two releases and a recover that begin at once, one gives everything back, and the others find nothing to do. */
async function endsOnce(on: Stage): Promise<void> {
  const before = picture(on);
  assert.equal(call(on, first, 'prepare').status, 0);
  on.machine.perform({ do: 'stop-libvirt' });
  const written = on.machine.journal().length;
  const runs = [begin(on, first, 'release'), begin(on, first, 'release'), beginCommand(on, ['recover'])];
  const ends = await Promise.all(runs.map(({ ended }) => ended));
  for (const { status, stderr } of ends) assert.deepEqual([status, stderr], [0, '']);
  assert.equal(runsOf(on.machine.journal().slice(written)).length, 1, 'two processes wrote');
  assert.deepEqual([picture(on), claims(on)], [before, {}]);
}

/** The cards of one detach go back by themselves, each in a run of its own, while recover looks at their claim. */
async function givesPartsBack(on: Stage): Promise<void> {
  const before = picture(on);
  assert.equal((await beginCommand(on, ['detach', GPU, USB]).ended).status, 0);
  const ends = await Promise.all(
    [['reattach', GPU], ['reattach', USB], ['recover']].map((args) => beginCommand(on, args).ended),
  );
  for (const { status, stderr } of ends) assert.deepEqual([status, stderr], [0, '']);
  assert.deepEqual([picture(on), claims(on)], [before, {}]);
  const locks = readdirSync(join(on.directory, 'run/locks'));
  assert.ok(locks.length <= 3, `locks are left: ${locks.join(' ')}`);
}

/** The processes that wrote, in order, each once for every time that it followed another one. */
function runsOf(journal: readonly JournalEntry[]): number[] {
  return journal.map(({ pid }) => pid).filter((pid, index, all) => pid !== all[index - 1]);
}

/** While a start waits in the kernel for its group, another one on another group begins and ends. */
async function doNotWait(on: Stage): Promise<void> {
  fault(on, { id: 'slow', path: '*/amdgpu/unbind', effect: { kind: 'hang' } });
  const waiting = begin(on, first, 'prepare');
  await waitsInKernel(on);
  const free = await begin(on, elsewhere, 'prepare').ended;
  assert.deepEqual([free.status, free.stderr], [0, '']);
  on.machine.perform({ do: 'release-fault', id: 'slow' });
  assert.equal((await waiting.ended).status, 0);
  const times = (pid: number | undefined): number[] =>
    on.machine
      .journal()
      .filter((entry) => entry.pid === pid)
      .flatMap(({ at, took = 0 }) => [at, at + took]);
  const [outer, inner] = [...new Set(on.machine.journal().map(({ pid }) => pid))].map(times);
  assert.ok(outer && inner);
  assert.ok(
    Math.min(...outer) < Math.min(...inner) && Math.max(...inner) < Math.max(...outer),
    'one after the other',
  );
}

/** A hook that was stopped keeps its lock; the next one says who has it, after the time that it may wait. */
async function givesUpOnStopped(on: Stage): Promise<void> {
  configure(on, 'config.yaml', 'timeouts:\n  lock: 1s\n');
  fault(on, { id: 'slow', path: '*/amdgpu/unbind', effect: { kind: 'hang' } });
  const stopped = begin(on, first, 'prepare');
  await waitsInKernel(on);
  stopped.process.kill('SIGSTOP');
  const began = performance.now();
  const refused = await begin(on, second, 'prepare').ended;
  const took = performance.now() - began;
  assert.equal(refused.status, 1);
  const who = `guest "${first.name}" (pid ${stopped.process.pid ?? 0})`;
  assert.ok(
    refused.stderr.startsWith(
      `vfio-hook: error: IOMMU group 16 is being worked on by ${who}, which did not finish in 1 s\n`,
    ),
    refused.stderr,
  );
  assert.ok(took < 6000, `it took ${took} ms`);
  on.machine.perform({ do: 'release-fault', id: 'slow' });
  stopped.process.kill('SIGCONT');
  assert.equal((await stopped.ended).status, 0);
}

/**
 * Guests on disjoint groups need one parameter. It is on while one of them has devices, also when one begins as another
 * one ends, and off after all, also when they end at once.
 */
async function shareParameter(on: Stage): Promise<void> {
  configure(on, 'config.yaml', 'allowUnsafeInterrupts: true\n');
  const parameter = (): string | undefined =>
    on.machine.host().read('/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts')?.trim();
  await atOnce(on, [first, 'prepare'], [elsewhere, 'prepare']);
  assert.equal(parameter(), 'Y');
  await atOnce(on, [first, 'release'], [elsewhere, 'release']);
  assert.equal(parameter(), 'N');
  await atOnce(on, [first, 'prepare']);
  await atOnce(on, [first, 'release'], [elsewhere, 'prepare']);
  assert.equal(parameter(), 'Y');
  await atOnce(on, [elsewhere, 'release']);
  assert.deepEqual([parameter(), claims(on)], ['N', {}]);
}

async function waitsInKernel({ machine }: Stage): Promise<void> {
  await until('a kernel write is under way', () =>
    machine.journal().some(({ result }) => result === undefined),
  );
}

function logOf({ directory }: Stage): string {
  const path = join(directory, 'vfio-hook.log');
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
}

async function until(what: string, isSo: () => boolean): Promise<void> {
  for (const end = performance.now() + 15_000; performance.now() < end;) {
    if (isSo()) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assert.fail(`never: ${what}`);
}
