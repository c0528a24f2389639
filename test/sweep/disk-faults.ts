import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { VfioHookError } from '../../src/errors.ts';
import { differences } from '../simulator/observe.ts';
import { fileSink } from '../../src/log/file.ts';
import { hookLog } from '../../src/log/quiet.ts';
import { prepare } from '../../src/engine/prepare.ts';
import { release } from '../../src/engine/release.ts';
import { intercept, type Around, type Call } from './calls.ts';
import { hasEverything, NAME, onStage, recoverAll, type Stage } from './stage.ts';
import { subjects } from './subjects.ts';
import type { Sweep } from './sweep.ts';

/** What a disk may answer. */
const errnos = ['EIO', 'ENOSPC', 'EROFS'] as const;

/** How a call for a claim or a lock goes wrong; the disk stays like that for the rest of the run, or does not. */
interface Fault {
  readonly name: string;
  readonly errno?: string;
  readonly lasting: boolean;
}

/** Every call of a start and of an end for a claim, a lock or its directory fails, on every machine. */
export const diskFaults: Sweep = {
  name: 'disk fault',
  parts: subjects.flatMap(({ host }) => [`${host} prepare`, `${host} release`]),
  run: async (part, tally) => {
    const [host = '', phase = ''] = part.split(' ');
    await onStage(host, async (stage) => {
      const { s } = stage;
      if (phase === 'release') await s.prepare(stage.domain);
      const before = s.observation();
      const back = s.save();
      const run = (): Promise<void> => (phase === 'prepare' ? s.prepare(stage.domain) : s.release(NAME));
      const calls: Call[] = [];
      await intercept(
        s.directory,
        (call, make) => {
          calls.push(call);
          return make();
        },
        run,
      );
      for (const [index, call] of calls.entries()) {
        for (const fault of faultsOf(call)) {
          await tally.point(`call ${index + 1} (${call.name}) ${fault.name}`, async () => {
            back();
            const error = await outcome(intercept(s.directory, failing(index, fault), run));
            if (phase === 'release') await ended(stage, error);
            else await started(stage, error, before, fault);
          });
        }
      }
    });
  },
};

function faultsOf(call: Call): readonly Fault[] {
  if (call.kind === 'child') return [{ name: 'cannot be started (ENOENT)', errno: 'ENOENT', lasting: false }];
  return [
    ...errnos.flatMap((errno) => [
      { name: `fails with ${errno}`, errno, lasting: false },
      { name: `and all after it fail with ${errno}`, errno, lasting: true },
    ]),
    ...(call.name.startsWith('write ') ? [{ name: 'writes half of it', lasting: false }] : []),
  ];
}

function failing(index: number, { errno, lasting }: Fault): Around {
  let at = 0;
  return (call, make, half) => {
    const hit = lasting ? at >= index : at === index;
    at += 1;
    if (!hit) return make();
    if (errno === undefined) return half?.() as ReturnType<typeof make>;
    const error = Object.assign(new Error(`${errno}: ${call.name}`), { code: errno });
    // What cannot be started is an answer of spawnSync, not an exception.
    if (call.kind === 'child') return { status: null, error } as ReturnType<typeof make>;
    throw error;
  };
}

/** The error that a run ends with, if it does, which must be one for people. */
async function outcome(run: Promise<void>): Promise<VfioHookError | undefined> {
  try {
    await run;
    return undefined;
  } catch (error) {
    if (error instanceof VfioHookError) return error;
    throw error;
  }
}

/** A start on a bad disk: everything, or nothing. */
async function started(
  stage: Stage,
  error: VfioHookError | undefined,
  before: Stage['handedOver'],
  { lasting }: Fault,
): Promise<void> {
  const { s } = stage;
  if (error) {
    assert.match(error.code, /^VH_(CLAIM|LOCK|KERNEL|INSTALLATION)$/, error.message);
    // Guests share it, and where no lock can be taken nobody knows whether another one needs it: recover turns it off.
    const waits = (line: string): boolean => lasting && line.startsWith('allow_unsafe_interrupts:');
    const differ = differences(before, s.observation()).filter((line) => !waits(line));
    assert.deepEqual(differ, [], error.message);
    // Where not even unlink(2) works, a claim may stay, until recover can remove it.
    if (lasting) await recoverAll(stage);
  } else {
    hasEverything(stage);
    await s.release(NAME);
  }
  s.nothingDiffers();
}

/** An end on a bad disk: the devices are given back, or the error says that they are not; recover finishes it. */
async function ended(stage: Stage, error: VfioHookError | undefined): Promise<void> {
  if (error) {
    assert.match(error.code, /^VH_(CLAIM|LOCK|KERNEL|INCOMPLETE|INSTALLATION)$/, error.message);
    await recoverAll(stage);
  }
  stage.s.nothingDiffers();
}

/** Files that take no log lines. */
const badLogs: Readonly<Record<string, (directory: string) => string>> = {
  'on a full disk': () => '/dev/full',
  'in a directory that is not there': (directory) => join(directory, 'none/vfio-hook.log'),
  'in the place of a directory': (directory) => {
    mkdirSync(join(directory, 'log.d'), { recursive: true });
    return join(directory, 'log.d');
  },
  'below a file': (directory) => {
    writeFileSync(join(directory, 'file'), '');
    return join(directory, 'file/vfio-hook.log');
  },
  'where nothing can be made': () => '/proc/vfio-hook/vfio-hook.log',
};

/** A log that cannot be written changes nothing. */
export const logFaults: Sweep = {
  name: 'log fault',
  parts: subjects.map(({ host }) => host),
  run: async (host, tally) => {
    await onStage(host, async (stage) => {
      const { s, domain } = stage;
      for (const [where, pathIn] of Object.entries(badLogs)) {
        await tally.point(`a log ${where}`, async () => {
          const log = hookLog(fileSink(pathIn(s.directory), () => new Date()));
          await prepare({ ...s.engine(), log }, domain);
          hasEverything(stage);
          await release({ ...s.engine(), log }, NAME);
          log.close();
          s.nothingDiffers();
        });
      }
    });
  },
};
