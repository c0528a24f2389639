import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { stateDirectory } from '../scenario.ts';
import { buildLocker, Locker } from './lockers.ts';
import type { Sweep } from './sweep.ts';

/** How many wait for a lock at the same time. */
const QUEUE = 8;

/** Most milliseconds from the death of a lock's holder until the next one has it; on a busy machine, in nine of ten cases. */
const TAKEOVER = 100;

/** Small processes that take the same lock as the hook does, since the hook itself takes far longer to start. */
export const locks: Sweep = {
  name: 'lock',
  parts: ['killed holder', 'stopped holder'],
  alone: true,
  run: async (part, tally) => {
    const directory = stateDirectory();
    try {
      const program = buildLocker(directory);
      if (part === 'killed holder') {
        const took: number[] = [];
        for (let round = 1; round <= 25; round += 1) {
          await tally.point(`round ${round}`, async () => {
            took.push(...(await takenOver(program, subdirectory(directory, round))));
          });
        }
        took.sort((a, b) => a - b);
        tally.measure('takeover of a lock, slowest, ms', took.at(-1) ?? 0);
        tally.measure('takeover of a lock, median, ms', took[took.length >> 1] ?? 0);
        await tally.point('nine of ten are quick', () => {
          const most = took[Math.ceil(took.length * 0.9) - 1] ?? 0;
          assert.ok(most <= TAKEOVER, `${most} ms in one case of ten`);
        });
      } else {
        for (let round = 1; round <= 20; round += 1) {
          await tally.point(`round ${round}`, async () => {
            await staysTaken(program, subdirectory(directory, round));
          });
        }
      }
    } finally {
      rmSync(directory, { recursive: true });
    }
  },
};

function subdirectory(directory: string, round: number): string {
  const path = join(directory, String(round));
  mkdirSync(path);
  return path;
}

/** A queue for one lock, whose holder is killed again and again; how long each takeover took. */
async function takenOver(program: string, directory: string): Promise<number[]> {
  const queue = Array.from(
    { length: QUEUE },
    (_, index) => new Locker(program, directory, `guest ${index}`, 20_000, [16]),
  );
  try {
    const took: number[] = [];
    const waiting = new Set(queue);
    let holder = await nextHolder(waiting);
    while (waiting.size > 0) {
      for (const each of waiting) await each.says('waits');
      const killed = performance.now();
      await holder.kill();
      holder = await nextHolder(waiting);
      took.push((await holder.says('holds')) - killed);
      assert.equal(queue.filter((each) => each.hasSaid('holds')).length, QUEUE - waiting.size, 'two holders');
    }
    return took;
  } finally {
    for (const each of queue) await each.kill();
  }
}

/** The one of those that wait which has the lock now, taken out of them. */
async function nextHolder(waiting: Set<Locker>): Promise<Locker> {
  const holder = await Promise.race([...waiting].map(async (each) => each.says('holds').then(() => each)));
  waiting.delete(holder);
  return holder;
}

/** The holder is stopped: nobody else gets the lock, whoever asks is told in time, and later all goes on. */
async function staysTaken(program: string, directory: string): Promise<void> {
  const holder = new Locker(program, directory, 'stopped', 0, [16]);
  const others: Locker[] = [];
  try {
    await holder.says('holds');
    holder.process.kill('SIGSTOP');
    others.push(
      ...[300, 400, 20_000].map((timeout) => new Locker(program, directory, 'other', timeout, [16])),
    );
    const [one, two, patient] = others as [Locker, Locker, Locker];
    for (const each of others) await each.says('waits');
    for (const [each, seconds] of [
      [one, '0.3'],
      [two, '0.4'],
    ] as const) {
      const took = (await each.says('failed')) - (await each.says('waits'));
      assert.ok(took < 3000, `it took ${took} ms`);
      assert.ok(
        each.hasSaid(
          `failed: VH_LOCK: IOMMU group 16 is being worked on by guest "stopped" (pid ${holder.process.pid ?? 0}), which did not finish in ${seconds} s`,
        ),
        JSON.stringify(each.said),
      );
    }
    assert.equal(patient.hasSaid('holds'), false, 'two holders');
    holder.process.kill('SIGCONT');
    holder.letGo();
    await holder.says('released');
    await patient.says('holds');
    patient.letGo();
    await once(patient.process, 'exit');
  } finally {
    for (const each of [holder, ...others]) await each.kill();
  }
}
