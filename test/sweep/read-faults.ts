import assert from 'node:assert/strict';
import type { VfioHookError } from '../../src/errors.ts';
import { readFailure } from '../../src/failure.ts';
import type { SimulatedHost } from '../../simulator/host.ts';
import { sysfs } from '../../src/pci/sysfs.ts';
import { failureOf } from '../scenario.ts';
import { hasEverything, NAME, onStage, recoverAll, type Stage } from './stage.ts';
import { subjects } from './subjects.ts';
import type { Sweep } from './sweep.ts';

/** What a read may be answered that says nothing about whether the file is there; one after the other. */
const errnos = ['EIO', 'EACCES', 'ENOMEM', 'EMFILE', 'EPERM', 'ENFILE', 'EINTR', 'ELOOP'] as const;

/** One look of the engine at a file. */
interface Look {
  readonly how: string;
  readonly path: string;
}

const runs = {
  prepare: ({ s, domain }: Stage) => s.prepare(domain),
  release: ({ s }: Stage) => s.release(NAME),
  recover: recoverAll,
} as const satisfies Readonly<Record<string, (stage: Stage) => Promise<void>>>;

/** Every file that a start, an end and a recovery look at cannot be read: once, at the first look and at the last. */
export const readFaults: Sweep = {
  name: 'read fault',
  parts: subjects.flatMap(({ host }) => Object.keys(runs).map((phase) => `${host} ${phase}`)),
  run: async (part, tally) => {
    const [host = '', phase = ''] = part.split(' ');
    const run = runs[phase as keyof typeof runs];
    await onStage(host, async (stage) => {
      const { s } = stage;
      if (phase !== 'prepare') await s.prepare(stage.domain);
      const back = s.save();
      const looks: Look[] = [];
      s.wrapHost = (real) => aroundLooks(real, (look) => looks.push(look));
      await run(stage);
      for (const [point, index] of ends(looks).entries()) {
        const look = looks[index];
        const errno = errnos[point % errnos.length];
        assert.ok(look && errno);
        await tally.point(`look ${index + 1} (${look.how} ${look.path}) fails with ${errno}`, async () => {
          back();
          let count = 0;
          s.wrapHost = (real) =>
            aroundLooks(real, ({ path }) => {
              count += 1;
              if (count === index + 1) throw readFailure(path, errno);
            });
          const error = await outcome(run(stage));
          s.wrapHost = (real) => real;
          if (error) {
            assert.ok(error.message.includes(`${look.path}: ${errno}`), error.message);
            assert.doesNotMatch(error.hints.map(({ text }) => text).join(), /fault of vfio-hook/);
          }
          if (phase === 'prepare') await started(stage, error);
          else if (s.claims().length > 0) await recoverAll(stage);
          s.nothingDiffers();
        });
      }
    });
  },
};

/** The first and the last look at each file in each way. */
function ends(looks: readonly Look[]): number[] {
  const first = new Map<string, number>();
  const last = new Map<string, number>();
  for (const [index, { how, path }] of looks.entries()) {
    // Tests of other things look there, too: see test/scenario.ts.
    if (path === sysfs.bootId) continue;
    const key = `${how} ${path}`;
    if (!first.has(key)) first.set(key, index);
    last.set(key, index);
  }
  return [...new Set([...first.values(), ...last.values()])].sort((a, b) => a - b);
}

/** The error that a run ends with, which must be one for people; undefined when it succeeds. */
async function outcome(run: Promise<void>): Promise<VfioHookError | undefined> {
  const [settled] = await Promise.allSettled([run]);
  return settled.status === 'rejected' ? failureOf(run) : undefined;
}

/** A start: what only explains may fail; else it is refused, nothing is left, and everything is as before. */
async function started(stage: Stage, error: VfioHookError | undefined): Promise<void> {
  if (error) return;
  hasEverything(stage);
  await stage.s.release(NAME);
}

/** Tells of every look at a file, before it is made. */
function aroundLooks(host: SimulatedHost, tell: (look: Look) => void): SimulatedHost {
  const told = <T>(how: string, path: string, make: () => T): T => {
    tell({ how, path });
    return make();
  };
  return {
    ...host,
    read: (path) => told('read', path, () => host.read(path)),
    readBytes: (path, length) => told('read bytes', path, () => host.readBytes(path, length)),
    readLink: (path) => told('read link', path, () => host.readLink(path)),
    list: (path) => told('list', path, () => host.list(path)),
    status: (path) => told('status', path, () => host.status(path)),
    tryOpen: (path) => told('open', path, () => host.tryOpen(path)),
    readSlow: async (path, length, deadlineMs) => {
      tell({ how: 'read slowly', path });
      return host.readSlow(path, length, deadlineMs);
    },
    readLocked: async (paths, deadlineMs) => {
      for (const path of paths) tell({ how: 'read under lock', path });
      return host.readLocked(paths, deadlineMs);
    },
  };
}
